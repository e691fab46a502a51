//! DEB packages: a package made without its payload, rewritten with it.

mod control;

use std::{collections::BTreeMap, io::Write};

use artifact::ReleaseTime;

pub use control::{ControlEdit, ControlError, ControlFields};

use crate::{
    ar::{self, ArError},
    body::Decoded,
    codec::CodecError,
    digest::Md5Digest,
    package_path::PackagePath,
    payload::{CompressedPayload, Finish, ImageError, Metered, PayloadFile, Written},
    tar::{self, MemberKind, TarError},
    unpack::{UnpackError, unpack},
    xz::{XzBuilder, XzImage},
};

/// The control files that dpkg runs.
pub(crate) const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

/// A DEB could not be spliced.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The base package's outer container.
    #[error("the base package is no DEB")]
    Ar(#[from] ArError),
    /// The base package's format version.
    #[error("the base package has the format version {}, not 2.0", .0.escape_debug())]
    Version(String),
    /// The base package lacks a part.
    #[error("the base package has no {0}")]
    Missing(&'static str),
    /// A part of the base package cannot be decoded.
    #[error("cannot unpack {part} of the base package")]
    Unpack {
        /// `control.tar` or `data.tar`.
        part: &'static str,
        /// Why.
        source: UnpackError,
    },
    /// A part of the base package cannot be read.
    #[error("cannot read {part} of the base package")]
    Tar {
        /// `control.tar` or `data.tar`.
        part: &'static str,
        /// Why.
        source: TarError,
    },
    /// A control file, which is text, is not UTF-8, or no regular file.
    #[error("the base package has a bad control file {0}")]
    ControlFile(String),
    /// The control fields.
    #[error("cannot edit the control fields")]
    Control(#[from] ControlError),
    /// Two files at one path, or a file where a directory is needed.
    #[error("{0} is there twice, or is no directory where one is needed")]
    Clash(PackagePath),
    /// A file is too large for the format.
    #[error("{0} is too large for a DEB")]
    TooLarge(PackagePath),
    /// The compressor.
    #[error("cannot compress the package")]
    Compress(#[from] CodecError),
    /// A stored payload or the output.
    #[error(transparent)]
    Write(#[from] ImageError),
}

impl DebError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Clash(path) => Some(format!("leave {path} out of the base package, or make it an empty file")),
            _ => None,
        }
    }
}

/// Writes `base` with the payload files put in, control fields edited, and everything normalised: sorted paths, owner
/// root, the release's time, md5sums of all files, `Installed-Size` by dpkg's rule. Conffiles and maintainer scripts stay.
/// A payload's path may be an empty file in `base`. Without payload it only normalises.
pub fn splice(
    base: &[u8],
    payload: &[PayloadFile<'_>],
    edit: &ControlEdit,
    finish: Finish,
    out: &mut impl Write,
) -> Result<Written, DebError> {
    let (mut control, mut tree) = read_base(base)?;
    for file in payload {
        tree.add_payload(file)?;
    }
    tree.add_parents()?;
    control.insert("md5sums".to_owned(), tree.md5sums().into_bytes());
    let text = control.remove("control").ok_or(DebError::Missing("control file"))?;
    let text = String::from_utf8(text).map_err(|_| DebError::ControlFile("control".to_owned()))?;
    let mut fields = ControlFields::parse(&text)?;
    fields.apply(edit);
    for field in ["Package", "Version", "Architecture", "Maintainer", "Description"] {
        fields.require(field)?;
    }
    fields.set("Installed-Size", tree.installed_size().to_string());
    control.insert("control".to_owned(), fields.to_string().into_bytes());

    let control = control_image(&control, finish)?;
    let data = tree.image(finish)?;
    let mut out = Metered::new(out);
    write_package(&mut out, &control, &data, finish.time)?;
    Ok(out.finish().1)
}

fn write_package(
    out: &mut dyn Write,
    control: &XzImage<'_>,
    data: &XzImage<'_>,
    time: ReleaseTime,
) -> Result<(), ImageError> {
    let version = b"2.0\n";
    ar::write_magic(out)
        .and_then(|()| ar::write_header(out, "debian-binary", version.len() as u64, time))
        .and_then(|()| out.write_all(version))
        .map_err(ImageError::Write)?;
    for (name, image) in [("control.tar.xz", control), ("data.tar.xz", data)] {
        ar::write_header(out, name, image.len(), time).map_err(ImageError::Write)?;
        image.write_to(out)?;
        ar::write_padding(out, image.len()).map_err(ImageError::Write)?;
    }
    out.flush().map_err(ImageError::Write)
}

type ControlFiles = BTreeMap<String, Vec<u8>>;

fn control_image(files: &ControlFiles, finish: Finish) -> Result<XzImage<'static>, DebError> {
    let mut builder = XzBuilder::new(finish.level);
    let root = tar::header(None, &MemberKind::Directory, 0o755, finish.time);
    builder.plain(&root.ok_or(DebError::Missing("root directory"))?)?;
    for (name, content) in files {
        let path = PackagePath::new(&format!("/{name}")).map_err(|_| DebError::ControlFile(name.clone()))?;
        let mode = if SCRIPTS.contains(&name.as_str()) { 0o755 } else { 0o644 };
        plain_file(&mut builder, &path, mode, content, finish.time)?;
    }
    builder.plain(&tar::END)?;
    Ok(builder.finish()?)
}

fn plain_file(
    builder: &mut XzBuilder<'_>,
    path: &PackagePath,
    mode: u32,
    content: &[u8],
    time: ReleaseTime,
) -> Result<(), DebError> {
    let size = content.len() as u64;
    builder.plain(&member_header(path, &MemberKind::Regular { size }, mode, time)?)?;
    builder.plain(content)?;
    Ok(builder.plain(tar::padding(size))?)
}

fn member_header(path: &PackagePath, kind: &MemberKind, mode: u32, time: ReleaseTime) -> Result<Vec<u8>, DebError> {
    tar::header(Some(path), kind, mode, time).ok_or_else(|| DebError::TooLarge(path.clone()))
}

fn read_base<'a>(base: &[u8]) -> Result<(ControlFiles, Tree<'a>), DebError> {
    let members = ar::members(base)?;
    match members.first() {
        Some(("debian-binary", b"2.0\n")) => {}
        Some(("debian-binary", version)) => {
            return Err(DebError::Version(String::from_utf8_lossy(version).into_owned()));
        }
        _ => return Err(DebError::Missing("debian-binary")),
    }
    let mut control = ControlFiles::new();
    walk_part(&members, "control.tar", |member, content| {
        let Some(path) = member.path else { return Ok(()) };
        let name = path.relative().to_owned();
        let fresh = matches!(member.kind, MemberKind::Regular { .. }) && !name.contains('/');
        if !fresh || control.insert(name.clone(), content).is_some() {
            return Err(DebError::ControlFile(name));
        }
        Ok(())
    })?;
    let mut tree = Tree { root_mode: 0o755, nodes: BTreeMap::new() };
    walk_part(&members, "data.tar", |member, content| tree.add(member, content))?;
    Ok((control, tree))
}

fn walk_part(
    members: &[(&str, &[u8])],
    part: &'static str,
    mut each: impl FnMut(tar::Member, Vec<u8>) -> Result<(), DebError>,
) -> Result<(), DebError> {
    let (_, packed) = members.iter().find(|(name, _)| name.starts_with(part)).ok_or(DebError::Missing(part))?;
    let unpacked = unpack(packed).map_err(|source| DebError::Unpack { part, source })?;
    let mut entries = Vec::new();
    tar::walk(&mut Decoded(unpacked.as_slice()), |member, body| {
        entries.push((member, body.content().map_err(TarError::Read)?));
        Ok(())
    })
    .map_err(|source| DebError::Tar { part, source })?;
    entries.into_iter().try_for_each(|(member, content)| each(member, content))
}

enum Node<'a> {
    Directory,
    Symlink(String),
    File(Vec<u8>),
    Payload(&'a CompressedPayload),
}

/// What the package installs, with permission bits, by path: a directory comes before what is in it.
struct Tree<'a> {
    root_mode: u32,
    nodes: BTreeMap<PackagePath, (u32, Node<'a>)>,
}

impl<'a> Tree<'a> {
    fn add(&mut self, member: tar::Member, content: Vec<u8>) -> Result<(), DebError> {
        let Some(path) = member.path else {
            self.root_mode = member.mode;
            return Ok(());
        };
        let node = match member.kind {
            MemberKind::Directory => Node::Directory,
            MemberKind::Symlink { target } => Node::Symlink(target),
            MemberKind::Regular { .. } => Node::File(content),
        };
        match self.nodes.get(&path) {
            Some((_, Node::Directory)) if matches!(node, Node::Directory) => Ok(()),
            Some(_) => Err(DebError::Clash(path)),
            None => {
                self.nodes.insert(path, (member.mode, node));
                Ok(())
            }
        }
    }

    fn add_payload(&mut self, file: &PayloadFile<'a>) -> Result<(), DebError> {
        let path = &file.install_path;
        match self.nodes.get(path) {
            Some((_, Node::File(content))) if content.is_empty() => {}
            Some(_) => return Err(DebError::Clash(path.clone())),
            None => {}
        }
        self.nodes.insert(path.clone(), (file.mode, Node::Payload(file.payload)));
        Ok(())
    }

    fn add_parents(&mut self) -> Result<(), DebError> {
        let parents: Vec<_> = self.nodes.keys().flat_map(PackagePath::parents).collect();
        for parent in parents {
            match self.nodes.get(&parent) {
                Some((_, Node::Directory)) => {}
                Some(_) => return Err(DebError::Clash(parent)),
                None => {
                    self.nodes.insert(parent, (0o755, Node::Directory));
                }
            }
        }
        Ok(())
    }

    fn md5sums(&self) -> String {
        let line = |path: &PackagePath, md5: Md5Digest| format!("{md5}  {}\n", path.relative());
        self.nodes
            .iter()
            .filter_map(|(path, (_, node))| match node {
                Node::File(content) => Some(line(path, Md5Digest::of(content))),
                Node::Payload(payload) => Some(line(path, payload.md5())),
                Node::Directory | Node::Symlink(_) => None,
            })
            .collect()
    }

    /// In KiB: content of files and symlinks rounded up each, 1 for anything else, the root too (deb-substvars(5)).
    fn installed_size(&self) -> u64 {
        let sizes = self.nodes.values().map(|(_, node)| match node {
            Node::Directory => 1,
            Node::Symlink(target) => (target.len() as u64).div_ceil(1024),
            Node::File(content) => (content.len() as u64).div_ceil(1024),
            Node::Payload(payload) => payload.size().div_ceil(1024),
        });
        1 + sizes.sum::<u64>()
    }

    fn image(self, finish: Finish) -> Result<XzImage<'a>, DebError> {
        let time = finish.time;
        let mut builder = XzBuilder::new(finish.level);
        let root = tar::header(None, &MemberKind::Directory, self.root_mode, time);
        builder.plain(&root.ok_or(DebError::Missing("root directory"))?)?;
        for (path, (mode, node)) in self.nodes {
            match node {
                Node::Directory => builder.plain(&member_header(&path, &MemberKind::Directory, mode, time)?)?,
                Node::Symlink(target) => {
                    builder.plain(&member_header(&path, &MemberKind::Symlink { target }, 0o777, time)?)?;
                }
                Node::File(content) => plain_file(&mut builder, &path, mode, &content, time)?,
                Node::Payload(payload) => {
                    let size = payload.size();
                    builder.plain(&member_header(&path, &MemberKind::Regular { size }, mode, time)?)?;
                    builder.payload(payload)?;
                    builder.plain(tar::padding(size))?;
                }
            }
        }
        builder.plain(&tar::END)?;
        Ok(builder.finish()?)
    }
}
