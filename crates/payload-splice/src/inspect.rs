//! Packages read back: what they say, what they hold, and whether the two agree.

mod deb;
mod rpm;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use artifact::Sha256Digest;

pub use deb::{DebContents, deb, deb_bytes};
pub use rpm::{Dependency, RpmContents, Scriptlet, rpm, rpm_bytes};

use crate::{
    ar::ArError,
    cpio::CpioError,
    deb::ControlError,
    package_path::PackagePath,
    payload::{CompressedPayload, ImageError},
    pieces::PiecesError,
    rpm::PackageError,
    tar::TarError,
    unpack::UnpackError,
    xz::XzError,
};

/// A package is read into memory; none is near this size.
const MAX_PACKAGE: u64 = 2 << 30;

/// How thoroughly a package is read.
#[derive(Debug, Clone, Copy)]
pub enum Depth<'a> {
    /// Everything is decoded and hashed.
    Full,
    /// The blocks of these payloads are compared, byte for byte, with the stored ones instead of being decoded; each must be
    /// in the package. All else is decoded and hashed. An RPM's digest of its uncompressed payload is not checked.
    Headers(&'a [&'a CompressedPayload]),
}

/// What a file of a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// With content.
    Regular {
        /// Bytes.
        size: u64,
        /// Digest of the content.
        sha256: Sha256Digest,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// An RPM's file that its payload does not hold.
    Ghost,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Where it is installed.
    pub path: PackagePath,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    /// User name.
    pub owner: String,
    /// Group name.
    pub group: String,
    /// Seconds since the Unix epoch.
    pub mtime: u64,
}

/// A package cannot be read, or is not what it says.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file itself.
    #[error("cannot read {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is larger than any package.
    #[error("{} is larger than 2 GiB", path.display())]
    TooLarge {
        /// Its path.
        path: PathBuf,
    },
    /// A DEB's outer container.
    #[error("the package is no DEB")]
    Ar(#[from] ArError),
    /// A part of the package is missing, or is there when it should not be.
    #[error("the package has a bad {0}")]
    Bad(&'static str),
    /// A compressed part cannot be decoded.
    #[error("cannot unpack {part}")]
    Unpack {
        /// The part.
        part: &'static str,
        /// Why.
        source: UnpackError,
    },
    /// The blocks of a compressed part.
    #[error("cannot take {part} apart")]
    Blocks {
        /// The part.
        part: &'static str,
        /// Why.
        source: XzError,
    },
    /// A stored payload to compare with.
    #[error(transparent)]
    Stored(ImageError),
    /// A tar archive.
    #[error("cannot read an archive of the package")]
    Tar(#[from] TarError),
    /// A cpio archive.
    #[error("cannot read the payload of the package")]
    Cpio(#[from] CpioError),
    /// A DEB's control fields.
    #[error("cannot read the control fields of the package")]
    Control(#[from] ControlError),
    /// An RPM's structure.
    #[error("the package is no usable RPM")]
    Rpm(#[from] PackageError),
    /// A file's content, mode, time, size or digest is not what the package's own records say.
    #[error("{path} has another {what} than the package records")]
    Mismatch {
        /// The file.
        path: PackagePath,
        /// What differs.
        what: &'static str,
    },
    /// A digest over a part of the package.
    #[error("the {0} of the package is wrong")]
    Digest(&'static str),
    /// A payload's blocks are not in the package.
    #[error("the package does not hold the stored blocks of the payload {sha256}")]
    PayloadMissing {
        /// The payload's digest.
        sha256: Sha256Digest,
    },
}

impl InspectError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } | Self::TooLarge { .. } => None,
            Self::Stored(_) => Some("compress the payload again".to_owned()),
            _ => Some("the package is damaged: build it again".to_owned()),
        }
    }

    fn pieces(part: &'static str) -> impl Fn(PiecesError) -> Self {
        move |error| match error {
            PiecesError::Stream(source) => Self::Blocks { part, source },
            PiecesError::Stored(source) => Self::Stored(source),
        }
    }
}

fn read_package(path: &Path) -> Result<Vec<u8>, InspectError> {
    let error = |source| InspectError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(error)?.len() > MAX_PACKAGE {
        return Err(InspectError::TooLarge { path: path.to_owned() });
    }
    fs::read(path).map_err(error)
}

/// Whether all payloads were found.
fn require_found(wanted: &[&CompressedPayload], found: &[&CompressedPayload]) -> Result<(), InspectError> {
    let missing = wanted
        .iter()
        .find(|payload| payload.size() > 0 && !found.iter().any(|found| found.sha256() == payload.sha256()));
    missing.map_or(Ok(()), |payload| Err(InspectError::PayloadMissing { sha256: payload.sha256() }))
}
