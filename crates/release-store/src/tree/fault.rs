use std::{
    fmt,
    path::{Path, PathBuf},
};

use artifact::{Artifact, Sha256Digest};
use serde::{Serialize, Serializer};

/// One thing that is wrong with a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {kind}", visible(path))]
pub struct Fault {
    /// Relative to the tree, such as `install/deb/amd64/istio-sidecar.deb`.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What is wrong with it.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What can be wrong with a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum FaultKind {
    /// A package or checksum file that the manifest implies.
    #[error("missing")]
    Missing,
    /// A package, cut short or of another version.
    #[error("wrong size: the manifest says {expected} bytes, the file has {found}")]
    WrongSize {
        /// In bytes.
        expected: u64,
        /// In bytes.
        found: u64,
    },
    /// A package with other content.
    #[error("wrong digest: the manifest says {expected}, the file has {found}")]
    WrongDigest {
        /// The manifest's.
        expected: Sha256Digest,
        /// The file's.
        found: Sha256Digest,
    },
    /// A `.sha256` file that would mislead `sha256sum --check`, or that names another digest than the manifest.
    #[error("wrong checksum file: expected exactly {expected:?}")]
    WrongChecksum {
        /// The whole content.
        expected: String,
    },
    /// Nothing that the manifest implies.
    #[error("unexpected {found}")]
    Unexpected {
        /// What is there.
        found: Found,
    },
    /// Something else than a file where a file or folder belongs.
    #[error("{found} instead of a file")]
    NotAFile {
        /// What is there.
        found: Found,
    },
    /// The system refused.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// The system's words.
        reason: String,
    },
    /// The manifest lists a checksum file as if it were a package.
    #[error("the manifest lists this checksum file as a package")]
    NotAPackage,
    /// The manifest has two entries for one path.
    #[error("the manifest lists this path more than once")]
    ListedTwice,
    /// Component, architecture or format of an entry are not those of its path.
    #[error("the manifest's component, arch or format contradicts the path")]
    Contradiction,
}

impl FaultKind {
    /// What is wrong with a package that has this size and digest. A size that was read to a limit is a lower bound.
    #[must_use]
    pub fn compare(artifact: &Artifact, size: u64, digest: Sha256Digest) -> Option<Self> {
        if size != artifact.size {
            return Some(Self::WrongSize { expected: artifact.size, found: size });
        }
        (digest != artifact.sha256).then_some(Self::WrongDigest { expected: artifact.sha256, found: digest })
    }
}

/// What stands in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A regular file.
    File,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// A directory.
    Directory,
    /// A pipe, socket or device.
    Special,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Symlink => "symbolic link",
            Self::Directory => "directory",
            Self::Special => "special file",
        })
    }
}

/// Names that strangers gave may hold anything; a terminal must not obey it.
fn visible(path: &Path) -> String {
    path.to_string_lossy().chars().fold(String::new(), |mut visible, c| {
        if c.is_control() {
            visible.extend(c.escape_default());
        } else {
            visible.push(c);
        }
        visible
    })
}

fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}
