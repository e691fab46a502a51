//! RPM packages: a package made with empty files in the places of its payload, rewritten with it.

mod edit;
pub(crate) mod header;
pub(crate) mod package;
mod rewrite;
pub(crate) mod tags;

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use artifact::Sha256Digest;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

pub use edit::{HeaderEdit, HeaderEditError, HeaderField};
pub use header::HeaderError;
pub use package::PackageError;

use crate::{
    body::{Decoded, copy_exactly},
    codec::CodecError,
    cpio::{self, CpioError},
    digest::hex,
    package_path::PackagePath,
    payload::{Finish, ImageError, Metered, PayloadFile, Written},
    unpack::{UnpackError, unpack},
    xz::{XzBuilder, XzImage},
};
use header::{Header, Value};
use package::{File, FileType, Package, files};

/// Zeros that let a signature be added later without moving the rest: what rpm itself reserves.
const RESERVED_SPACE: usize = 4128;

/// An RPM could not be spliced.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// The base package's structure.
    #[error("the base package cannot be used")]
    Base(#[from] PackageError),
    /// The base package's payload cannot be decompressed.
    #[error("cannot unpack the payload of the base package")]
    Unpack(#[source] UnpackError),
    /// The base package's payload cannot be read.
    #[error("cannot read the payload of the base package")]
    Cpio(#[source] CpioError),
    /// A file of the base package is not in its payload, or is another one than its header says.
    #[error("{0} in the payload of the base package is not what its header says")]
    Content(PackagePath),
    /// The base package has no empty file for a payload, or the same path was given twice.
    #[error("the base package has no empty file {0} for a payload")]
    Placeholder(PackagePath),
    /// The uncompressed payload cannot be read, or has another size.
    #[error("cannot read {}", path.display())]
    Source {
        /// Its path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is too large for the payload format.
    #[error("{0} is too large for an RPM")]
    TooLarge(PackagePath),
    /// The compressor.
    #[error("cannot compress the package")]
    Compress(#[from] CodecError),
    /// A stored payload or the output.
    #[error(transparent)]
    Write(#[from] ImageError),
}

impl RpmError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Placeholder(path) => Some(format!("give the base package an empty regular file {path}")),
            _ => None,
        }
    }
}

/// Writes `base` with the payload files in the places of its empty ones, descriptive fields edited, and everything
/// normalised: the release's time for the build and all files, a fixed build host, no cookie, an xz payload in the header's
/// order. Old signatures are dropped. Without payload it only normalises.
///
/// Digests are those of rpm's fourth format: SHA-256 of header and payload for today's rpm, SHA-1 and MD5 for rpm 4.11,
/// which knows no others.
pub fn splice(
    base: &[u8],
    payload: &[PayloadFile<'_>],
    edit: &HeaderEdit,
    finish: Finish,
    out: &mut impl Write,
) -> Result<Written, RpmError> {
    let package = Package::parse(base)?;
    rewrite::check_format(&package.header)?;
    let mut entries = entries(&package, payload)?;
    let mut header = package.header;
    for entry in &mut entries {
        entry.file.mtime = finish.time.unix();
    }
    let image = image(&entries, finish)?;
    let plain = plain_digest(&entries)?;
    let mut compressed = Metered::new(io::sink());
    image.write_to(&mut compressed)?;

    edit.apply(&mut header);
    let facts = rewrite::Facts { finish, compressed: compressed.finish().1.sha256, plain: plain.sha256 };
    rewrite::rewrite(&mut header, entries.iter().map(|entry| &entry.file), facts);
    let header = header.build(tags::REGION_IMMUTABLE);
    let signature = signature(&header, &image, plain.size)?;

    let mut out = Metered::new(out);
    let padding = [0; 7];
    out.write_all(package.lead)
        .and_then(|()| out.write_all(&signature))
        .and_then(|()| out.write_all(&padding[..signature.len().next_multiple_of(8) - signature.len()]))
        .and_then(|()| out.write_all(&header))
        .map_err(ImageError::Write)?;
    image.write_to(&mut out)?;
    out.flush().map_err(ImageError::Write)?;
    Ok(out.finish().1)
}

enum Content<'a> {
    /// Also of directories, and the target of a symlink.
    Plain(Vec<u8>),
    Payload(&'a PayloadFile<'a>),
    /// Not in the payload.
    Ghost,
}

/// A file with its content, in the header's order.
struct Entry<'a> {
    file: File,
    content: Content<'a>,
}

impl Entry<'_> {
    /// Header and name in the payload; `None` for a ghost.
    fn cpio_header(&self, inode: usize) -> Option<Vec<u8>> {
        let size = match &self.content {
            Content::Plain(content) => content.len() as u64,
            Content::Payload(file) => file.payload.size(),
            Content::Ghost => return None,
        };
        let number = |number: u64| u32::try_from(number).expect("sizes and numbers of files were checked");
        let File { path, mode, mtime, .. } = &self.file;
        let (inode, size) = (number(inode as u64), number(size));
        Some(cpio::Member { path: path.clone(), inode, mode: *mode, mtime: *mtime, size }.header())
    }
}

fn entries<'a>(package: &Package<'_>, payload: &'a [PayloadFile<'a>]) -> Result<Vec<Entry<'a>>, RpmError> {
    let mut contents = contents(package)?;
    let mut places: BTreeMap<&PackagePath, &PayloadFile<'_>> = BTreeMap::new();
    for file in payload {
        if places.insert(&file.install_path, file).is_some() {
            return Err(RpmError::Placeholder(file.install_path.clone()));
        }
    }
    let mut entries = Vec::new();
    for mut file in files(&package.header)? {
        let content = if file.is_ghost() {
            Content::Ghost
        } else {
            let plain = contents.remove(&file.path).filter(|plain| matches(&file, plain));
            Content::Plain(plain.ok_or_else(|| RpmError::Content(file.path.clone()))?)
        };
        let content = match (places.remove(&file.path), content) {
            (None, content) => content,
            (Some(place), Content::Plain(plain)) if plain.is_empty() && file.kind == FileType::Regular => {
                file.mode = file.mode & 0o170_000 | place.mode & 0o7777;
                file.size = place.payload.size();
                file.digest = place.payload.sha256().to_string();
                Content::Payload(place)
            }
            (Some(_), _) => return Err(RpmError::Placeholder(file.path)),
        };
        if u32::try_from(file.size).is_err() {
            return Err(RpmError::TooLarge(file.path));
        }
        entries.push(Entry { file, content });
    }
    if let Some(path) = places.into_keys().next() {
        return Err(RpmError::Placeholder(path.clone()));
    }
    if let Some(path) = contents.into_keys().next() {
        return Err(RpmError::Content(path));
    }
    Ok(entries)
}

/// The content of each member of the payload.
fn contents(package: &Package<'_>) -> Result<BTreeMap<PackagePath, Vec<u8>>, RpmError> {
    let unpacked = unpack(package.payload).map_err(RpmError::Unpack)?;
    let mut contents = BTreeMap::new();
    let mut twice = None;
    cpio::walk(&mut Decoded(unpacked.as_slice()), |member, body| {
        let content = body.content().map_err(CpioError::Read)?;
        if contents.insert(member.path.clone(), content).is_some() {
            twice = Some(member.path);
        }
        Ok(())
    })
    .map_err(RpmError::Cpio)?;
    twice.map_or(Ok(contents), |path| Err(RpmError::Content(path)))
}

fn matches(file: &File, content: &[u8]) -> bool {
    match file.kind {
        FileType::Directory => content.is_empty(),
        FileType::Symlink => content == file.link.as_bytes(),
        FileType::Regular => file.size == content.len() as u64 && Sha256Digest::of(content).to_string() == file.digest,
    }
}

fn image<'a>(entries: &'a [Entry<'a>], finish: Finish) -> Result<XzImage<'a>, RpmError> {
    let mut builder = XzBuilder::new(finish.level);
    for (at, entry) in entries.iter().enumerate() {
        let Some(header) = entry.cpio_header(at + 1) else { continue };
        builder.plain(&header)?;
        match &entry.content {
            Content::Plain(content) => {
                builder.plain(content)?;
                builder.plain(cpio::padding(content.len() as u64))?;
            }
            Content::Payload(file) => {
                builder.payload(file.payload)?;
                builder.plain(cpio::padding(file.payload.size()))?;
            }
            Content::Ghost => {}
        }
    }
    builder.plain(&cpio::trailer())?;
    Ok(builder.finish()?)
}

/// Size and digest of the uncompressed payload.
fn plain_digest(entries: &[Entry<'_>]) -> Result<Written, RpmError> {
    let mut plain = Metered::new(io::sink());
    let mut add = |data: &[u8]| plain.write_all(data).expect("a sink takes all");
    for (at, entry) in entries.iter().enumerate() {
        let Some(header) = entry.cpio_header(at + 1) else { continue };
        add(&header);
        let size = match &entry.content {
            Content::Plain(content) => {
                add(content);
                content.len() as u64
            }
            Content::Payload(file) => {
                let size = file.payload.size();
                read_source(file.source, size, &mut add)
                    .map_err(|source| RpmError::Source { path: file.source.to_owned(), source })?;
                size
            }
            Content::Ghost => 0,
        };
        add(cpio::padding(size));
    }
    add(&cpio::trailer());
    Ok(plain.finish().1)
}

/// Reads `path`, which must have exactly `size` bytes.
fn read_source(path: &Path, size: u64, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut source = fs::File::open(path)?;
    if source.metadata()?.len() != size {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its size is not that of the compressed payload"));
    }
    copy_exactly(&mut source, size, each)
}

/// The signature header, without a signature: digests and sizes.
fn signature(header: &[u8], payload: &XzImage<'_>, plain_size: u64) -> Result<Vec<u8>, RpmError> {
    let mut md5 = HashWriter(Md5::new_with_prefix(header));
    payload.write_to(&mut md5)?;
    let mut signature = Header::default();
    signature.set(tags::SIG_SHA1, Value::Text(hex(&Sha1::digest(header))));
    signature.set(tags::SIG_SHA256, Value::Text(hex(&Sha256::digest(header))));
    // What does not fit in 32 bits is left out: rpm then goes without.
    if let Ok(size) = u32::try_from(header.len() as u64 + payload.len()) {
        signature.set(tags::SIG_SIZE, Value::Int32(vec![size]));
    }
    signature.set(tags::SIG_MD5, Value::Bytes8(7, md5.0.finalize().to_vec()));
    if let Ok(size) = u32::try_from(plain_size) {
        signature.set(tags::SIG_PAYLOAD_SIZE, Value::Int32(vec![size]));
    }
    signature.set(tags::SIG_RESERVED_SPACE, Value::Bytes8(7, vec![0; RESERVED_SPACE]));
    Ok(signature.build(tags::REGION_SIGNATURES))
}

struct HashWriter<D>(D);

impl<D: Digest> Write for HashWriter<D> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
