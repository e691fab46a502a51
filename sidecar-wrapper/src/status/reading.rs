//! The reader's side.

use std::{
    fs::{self, File, TryLockError},
    io::{self, BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{major, minor};
use serde::Deserialize;

use super::{FILE, LOCK, NO_DIRECTORY, Status};
use crate::file::{self, FileFault};

/// Far more than any status.
const MAX_STATUS: u64 = 1 << 20;

/// What a directory tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A wrapper runs.
    Running(Status),
    /// A wrapper ran, and was ended before it could say so.
    Gone {
        /// What it said last.
        last: Status,
    },
    /// A wrapper runs and has written nothing: it has only begun, or it cannot.
    Silent,
    /// No wrapper runs.
    None,
}

/// Why nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The status is there, and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Within the directory.
        path: PathBuf,
        /// Why.
        source: FileFault,
    },
    /// Whether a wrapper runs cannot be told.
    #[error("cannot look at {}", path.display())]
    Lock {
        /// Within the directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not what a wrapper writes.
    #[error("{} is malformed", path.display())]
    Content {
        /// Within the directory.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Written by a later version.
    #[error("{} has schema {found}, this program reads schema {}", path.display(), Status::SCHEMA)]
    Schema {
        /// Within the directory.
        path: PathBuf,
        /// What the file says.
        found: u32,
    },
}

impl ReadError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        const OTHERS: &str = "the directory's owner or root may read it";
        let hint = match self {
            Self::Read { source, .. } if source.is_permission() => OTHERS,
            Self::Content { .. } => "a running sidecar-wrapper writes it anew at its next change",
            Self::Schema { .. } => {
                "ask the sidecar-wrapper that runs, /usr/bin/sidecar-wrapper of the package istio-sidecar"
            }
            Self::Lock { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => OTHERS,
            Self::Lock { source, .. } if source.kind() == io::ErrorKind::NotADirectory => NO_DIRECTORY,
            Self::Read { .. } | Self::Lock { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// Reads what the wrapper of a directory says, if there is one.
pub fn read(directory: &Path) -> Result<Reading, ReadError> {
    let lock = directory.join(LOCK);
    // Before the file is read: who ends in good order removes the file while the lock is held.
    let held = is_held(&lock).map_err(|source| ReadError::Lock { path: lock, source })?;
    let path = directory.join(FILE);
    let json = match file::read(&path, MAX_STATUS) {
        Ok(json) => json,
        Err(FileFault::Missing) => return Ok(if held { Reading::Silent } else { Reading::None }),
        Err(source) => return Err(ReadError::Read { path, source }),
    };
    let status = parse(&json, path)?;
    Ok(if held { Reading::Running(status) } else { Reading::Gone { last: status } })
}

fn parse(json: &[u8], path: PathBuf) -> Result<Status, ReadError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    // First, so that a later one is named as such.
    match serde_json::from_slice(json) {
        Ok(Schema { schema: Status::SCHEMA }) => {}
        Ok(Schema { schema: found }) => return Err(ReadError::Schema { path, found }),
        Err(source) => return Err(ReadError::Content { path, source }),
    }
    serde_json::from_slice(json).map_err(|source| ReadError::Content { path, source })
}

fn is_held(lock: &Path) -> io::Result<bool> {
    let opened = match File::open(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return is_in_table(lock),
        opened => opened?,
    };
    match opened.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The way of those who may not open the lock: the kernel shows everybody what is locked.
fn is_in_table(lock: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(lock)?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    let name = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    for row in BufReader::new(File::open("/proc/locks")?).lines() {
        // `1: FLOCK  ADVISORY  WRITE 4711 00:1a:48211 0 EOF`
        let row = row?;
        let mut fields = row.split_ascii_whitespace();
        if fields.nth(1) == Some("FLOCK") && fields.nth(3) == Some(name.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}
