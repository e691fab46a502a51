//! Reading small files that others wrote.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Why a file's content is not to be had. Who reports it names the file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// Nothing has that name.
    #[error("no such file")]
    Missing,
    /// A directory, pipe, socket or device.
    #[error("not a regular file")]
    NotAFile,
    /// More than the reader wants to hold.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: u64,
    },
    /// The system refused.
    #[error(transparent)]
    Unreadable(io::Error),
}

impl FileFault {
    /// Which of them an error of the system is.
    #[must_use]
    pub fn from_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Unreadable(error),
        }
    }

    /// Whether another user could read the file.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileFault> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(FileFault::from_io)?.is_file() {
        return Err(FileFault::NotAFile);
    }
    let mut content = Vec::new();
    let file = File::open(path).map_err(FileFault::from_io)?;
    // One byte more tells a file that is too large from one that just fits.
    file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(FileFault::from_io)?;
    if content.len() as u64 > limit { Err(FileFault::TooLarge { limit }) } else { Ok(content) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_limit_and_not_beyond() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        fs::write(&path, "1234").expect("writable");
        assert_eq!(read(&path, 4).expect("fits"), b"1234");
        assert!(matches!(read(&path, 3), Err(FileFault::TooLarge { limit: 3 })));
        assert!(matches!(read(dir.path(), 3), Err(FileFault::NotAFile)));
        assert!(matches!(read(&dir.path().join("other"), 3), Err(FileFault::Missing)));
    }
}
