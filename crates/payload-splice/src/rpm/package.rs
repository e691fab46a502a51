//! The outer structure of an RPM: lead, signature header, header, payload.

use crate::package_path::{PackagePath, PackagePathError};

use super::{
    header::{Header, HeaderError},
    tags,
};

pub(crate) const LEAD: usize = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_REGULAR: u32 = 0o100_000;
const TYPE_SYMLINK: u32 = 0o120_000;

/// Bytes that are no RPM of the kind that is handled here.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The 96 bytes at the start.
    #[error("it has no RPM lead")]
    Lead,
    /// The signature header.
    #[error("its signature header cannot be read")]
    Signature(#[source] HeaderError),
    /// The header.
    #[error("its header cannot be read")]
    Header(#[source] HeaderError),
    /// A header of rpm 6, which older systems cannot read; or no cpio payload; or file digests other than SHA-256.
    #[error("its {0} is not supported")]
    Unsupported(&'static str),
    /// The lists that describe the files disagree.
    #[error("its list of files has a bad {0}")]
    Files(&'static str),
    /// The path of a file.
    #[error("its list of files has a bad path")]
    Path(#[from] PackagePathError),
}

/// The parts of a package.
pub(crate) struct Package<'a> {
    pub(crate) lead: &'a [u8; LEAD],
    pub(crate) signature: Header,
    /// The bytes that the digests of the signature header cover.
    pub(crate) header_bytes: &'a [u8],
    pub(crate) header: Header,
    pub(crate) payload: &'a [u8],
}

impl<'a> Package<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, PackageError> {
        let (lead, rest) = bytes.split_first_chunk::<LEAD>().ok_or(PackageError::Lead)?;
        // Format 3.0 and the header-style signature are all that rpm has written for decades; types are binary and source.
        if !lead.starts_with(&LEAD_MAGIC) || lead[4..8] != [3, 0, 0, 0] {
            return Err(PackageError::Lead);
        }
        let (signature, end) = Header::parse(rest).map_err(PackageError::Signature)?;
        let rest = rest.get(end.next_multiple_of(8)..).ok_or(PackageError::Signature(HeaderError::Bad("length")))?;
        let (header, end) = Header::parse(rest).map_err(PackageError::Header)?;
        let (header_bytes, payload) = rest.split_at(end);
        Ok(Self { lead, signature, header_bytes, header, payload })
    }
}

/// What a file of a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileType {
    Regular,
    Directory,
    Symlink,
}

/// One file in the header's lists.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PackagePath,
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    pub(crate) mtime: u32,
    /// Hexadecimal; empty for what is not regular.
    pub(crate) digest: String,
    pub(crate) link: String,
    pub(crate) flags: u32,
    pub(crate) owner: String,
    pub(crate) group: String,
}

impl File {
    pub(crate) fn is_ghost(&self) -> bool {
        self.flags & tags::FILE_GHOST != 0
    }
}

/// The header's files, in its order.
pub(crate) fn files(header: &Header) -> Result<Vec<File>, PackageError> {
    let names = header.texts(tags::BASE_NAMES);
    let (directories, of) = (header.texts(tags::DIR_NAMES), header.numbers(tags::DIR_INDEXES));
    let sizes: Vec<u64> = match header.get(tags::LONG_FILE_SIZES) {
        Some(super::header::Value::Int64(sizes)) => sizes.clone(),
        _ => header.numbers(tags::FILE_SIZES).into_iter().map(u64::from).collect(),
    };
    let (modes, times, flags) =
        (header.numbers(tags::FILE_MODES), header.numbers(tags::FILE_TIMES), header.numbers(tags::FILE_FLAGS));
    let (digests, links) = (header.texts(tags::FILE_DIGESTS), header.texts(tags::FILE_LINKS));
    let (owners, groups) = (header.texts(tags::FILE_OWNERS), header.texts(tags::FILE_GROUPS));
    let lengths = [
        of.len(),
        sizes.len(),
        modes.len(),
        times.len(),
        flags.len(),
        digests.len(),
        links.len(),
        owners.len(),
        groups.len(),
    ];
    if lengths.iter().any(|len| *len != names.len()) {
        return Err(PackageError::Files("length"));
    }
    if !names.is_empty() && header.number(tags::FILE_DIGEST_ALGORITHM) != Some(tags::SHA256) {
        return Err(PackageError::Unsupported("file digest algorithm"));
    }
    names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let directory = usize::try_from(of[at]).ok().and_then(|at| directories.get(at));
            let directory = directory.ok_or(PackageError::Files("directory"))?;
            let kind = match modes[at] & 0o170_000 {
                TYPE_REGULAR => FileType::Regular,
                TYPE_DIRECTORY => FileType::Directory,
                TYPE_SYMLINK => FileType::Symlink,
                _ => return Err(PackageError::Files("type")),
            };
            Ok(File {
                path: PackagePath::new(&format!("{directory}{name}"))?,
                kind,
                mode: modes[at],
                size: sizes[at],
                mtime: times[at],
                digest: digests[at].clone(),
                link: links[at].clone(),
                flags: flags[at],
                owner: owners[at].clone(),
                group: groups[at].clone(),
            })
        })
        .collect()
}
