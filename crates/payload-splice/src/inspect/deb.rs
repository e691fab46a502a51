use std::{collections::BTreeMap, path::Path};

use super::{Depth, FileEntry, FileKind, InspectError, read_package, require_found};
use crate::{
    ar,
    body::{Decoded, Source},
    deb::{ControlFields, SCRIPTS},
    digest::{Md5Digest, Want},
    package_path::PackagePath,
    pieces::Pieces,
    tar::{self, MemberKind, TarError},
    unpack,
};

/// What a DEB says and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebContents {
    /// All control fields; Package, Version and Architecture are there.
    pub control: ControlFields,
    /// Maintainer scripts by name.
    pub scripts: BTreeMap<String, String>,
    /// The configuration files, which are all in `files`.
    pub conffiles: Vec<PackagePath>,
    /// Files by path, without the root.
    pub files: Vec<FileEntry>,
}

impl DebContents {
    /// The field Package.
    #[must_use]
    pub fn name(&self) -> &str {
        self.control.get("Package").unwrap_or_default()
    }

    /// The field Version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.control.get("Version").unwrap_or_default()
    }

    /// The field Architecture.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.control.get("Architecture").unwrap_or_default()
    }
}

/// Reads the DEB at `path`, and checks its md5sums and that the parts fit each other.
pub fn deb(path: &Path, depth: Depth<'_>) -> Result<DebContents, InspectError> {
    deb_bytes(&read_package(path)?, depth)
}

/// Reads a DEB in memory.
pub fn deb_bytes(bytes: &[u8], depth: Depth<'_>) -> Result<DebContents, InspectError> {
    let members = ar::members(bytes)?;
    let [("debian-binary", version), (control_name, control), (data_name, data)] = members.as_slice() else {
        return Err(InspectError::Bad("list of parts"));
    };
    if *version != b"2.0\n" {
        return Err(InspectError::Bad("format version"));
    }
    if !control_name.starts_with("control.tar") || !data_name.starts_with("data.tar") {
        return Err(InspectError::Bad("list of parts"));
    }
    let mut control = control_files(control)?;
    let text = |content: Vec<u8>| String::from_utf8(content).map_err(|_| InspectError::Bad("control file"));
    let fields = text(control.remove("control").ok_or(InspectError::Bad("control file"))?)?;
    let fields = ControlFields::parse(&fields)?;
    for field in ["Package", "Version", "Architecture"] {
        fields.require(field)?;
    }
    let part = "data.tar";
    let found = match depth {
        Depth::Full => {
            let reader = unpack::reader(data).map_err(|source| InspectError::Unpack { part, source })?;
            data_files(&mut Decoded(reader))?
        }
        Depth::Headers(known) => {
            let mut pieces = Pieces::new(data, known).map_err(InspectError::pieces(part))?;
            require_found(known, pieces.found())?;
            data_files(&mut pieces)?
        }
    };
    check_md5sums(&text(control.remove("md5sums").unwrap_or_default())?, &found)?;
    let conffiles = text(control.remove("conffiles").unwrap_or_default())?
        .lines()
        .map(|line| PackagePath::new(line).ok().filter(|path| found.contains_key(path)))
        .collect::<Option<_>>()
        .ok_or(InspectError::Bad("list of conffiles"))?;
    let scripts = control
        .into_iter()
        .filter(|(name, _)| SCRIPTS.contains(&name.as_str()))
        .map(|(name, content)| Ok((name, text(content)?)))
        .collect::<Result<_, InspectError>>()?;
    Ok(DebContents {
        control: fields,
        scripts,
        conffiles,
        files: found.into_values().map(|(entry, _)| entry).collect(),
    })
}

fn control_files(packed: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, InspectError> {
    let unpacked = unpack::unpack(packed).map_err(|source| InspectError::Unpack { part: "control.tar", source })?;
    let mut files = BTreeMap::new();
    tar::walk(&mut Decoded(unpacked.as_slice()), |member, body| {
        if let (Some(path), MemberKind::Regular { .. }) = (member.path, member.kind)
            && files.insert(path.relative().to_owned(), body.content().map_err(TarError::Read)?).is_some()
        {
            return Err(InspectError::Bad("control file, which is there twice,"));
        }
        Ok(())
    })?;
    Ok(files)
}

type Found = BTreeMap<PackagePath, (FileEntry, Option<Md5Digest>)>;

fn data_files<S: Source>(source: &mut S) -> Result<Found, InspectError> {
    let mut found = Found::new();
    tar::walk(source, |member, body| {
        let Some(path) = member.path else { return Ok(()) };
        let (kind, md5) = match member.kind {
            MemberKind::Directory => (FileKind::Directory, None),
            MemberKind::Symlink { target } => (FileKind::Symlink { target }, None),
            MemberKind::Regular { size } => {
                let digests = body.digests(Want::Sha256AndMd5).map_err(TarError::Read)?;
                (FileKind::Regular { size, sha256: digests.sha256 }, Some(digests.md5))
            }
        };
        // dpkg goes by names; numbers of no name would be another owner on another machine.
        if (member.owner == "root") != (member.uid == 0) || (member.group == "root") != (member.gid == 0) {
            return Err(InspectError::Mismatch { path, what: "owner" });
        }
        let tar::Member { mode, owner, group, mtime, .. } = member;
        let entry = FileEntry { path: path.clone(), kind, mode, owner, group, mtime };
        match found.insert(path, (entry, md5)) {
            Some((entry, _)) => Err(InspectError::Mismatch { path: entry.path, what: "number of entries" }),
            None => Ok(()),
        }
    })?;
    Ok(found)
}

/// Every regular file must have its line, and every line its file.
fn check_md5sums(text: &str, found: &Found) -> Result<(), InspectError> {
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let (sum, path) = line.split_once("  ").ok_or(InspectError::Bad("md5sums file"))?;
        let path = PackagePath::new(&format!("/{path}")).map_err(|_| InspectError::Bad("md5sums file"))?;
        if sums.insert(path, sum).is_some() {
            return Err(InspectError::Bad("md5sums file"));
        }
    }
    for (path, (_, md5)) in found {
        if md5.map(|md5| md5.to_string()).as_deref() != sums.remove(path) {
            return Err(InspectError::Mismatch { path: path.clone(), what: "MD5 digest" });
        }
    }
    if sums.is_empty() { Ok(()) } else { Err(InspectError::Bad("md5sums file")) }
}
