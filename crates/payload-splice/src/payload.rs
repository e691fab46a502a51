use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use artifact::{ReleaseTime, Sha256Digest};
use sha2::{Digest, Sha256};

use crate::{digest::Md5Digest, level::Level, package_path::PackagePath, xz::BlockSize};

/// A file that has been compressed into blocks, which are stored in a [`BlockCache`](crate::BlockCache).
#[derive(Debug, Clone)]
pub struct CompressedPayload {
    pub(crate) sha256: Sha256Digest,
    pub(crate) md5: Md5Digest,
    pub(crate) size: u64,
    pub(crate) blocks: Vec<BlockSize>,
    pub(crate) stored_size: u64,
    pub(crate) path: PathBuf,
    pub(crate) cached: bool,
}

impl CompressedPayload {
    /// The digest of the uncompressed file.
    #[must_use]
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The MD5 digest of the uncompressed file.
    #[must_use]
    pub fn md5(&self) -> Md5Digest {
        self.md5
    }

    /// Bytes of the uncompressed file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of all blocks together, as every package holds them.
    #[must_use]
    pub fn stored_size(&self) -> u64 {
        self.stored_size
    }

    /// The file with the blocks, one after the other.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the blocks were in the cache already.
    #[must_use]
    pub fn cached(&self) -> bool {
        self.cached
    }

    pub(crate) fn blocks(&self) -> &[BlockSize] {
        &self.blocks
    }

    /// Copies the blocks; their file must still have the length it had when it was checked.
    pub(crate) fn write_blocks(&self, out: &mut dyn Write) -> Result<(), ImageError> {
        let error = |source| ImageError::Payload { path: self.path.clone(), source };
        let mut stored = File::open(&self.path).map_err(error)?;
        let mut buffer = vec![0; 256 << 10];
        let mut copied = 0;
        loop {
            let read = stored.read(&mut buffer).map_err(error)?;
            if read == 0 {
                break;
            }
            out.write_all(&buffer[..read]).map_err(ImageError::Write)?;
            copied += read as u64;
        }
        if copied == self.stored_size {
            Ok(())
        } else {
            Err(error(io::Error::new(io::ErrorKind::InvalidData, "its length has changed")))
        }
    }
}

/// A payload and its place in a package.
#[derive(Debug, Clone)]
pub struct PayloadFile<'a> {
    /// Where the package installs it.
    pub install_path: PackagePath,
    /// Permission bits, such as 0o755.
    pub mode: u32,
    /// The blocks.
    pub payload: &'a CompressedPayload,
    /// The uncompressed file that the blocks were made from: an RPM records a digest of its uncompressed payload.
    pub source: &'a Path,
}

/// How the rest of a package is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// The time of every file and of the build.
    pub time: ReleaseTime,
    /// How hard to compress what is no payload.
    pub level: Level,
}

/// What a splice wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the package.
    pub size: u64,
    /// The digest of the package.
    pub sha256: Sha256Digest,
}

/// A stream with payloads cannot be written out.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A payload's stored blocks are gone or changed.
    #[error("cannot read the compressed payload {}", path.display())]
    Payload {
        /// The file with the blocks.
        path: PathBuf,
        /// What reading it said.
        source: io::Error,
    },
    /// The output took no more.
    #[error("cannot write the package")]
    Write(#[source] io::Error),
}

/// Counts and hashes what goes through it.
pub(crate) struct Metered<W> {
    out: W,
    size: u64,
    sha256: Sha256,
}

impl<W: Write> Metered<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, size: 0, sha256: Sha256::new() }
    }

    pub(crate) fn finish(self) -> (W, Written) {
        (self.out, Written { size: self.size, sha256: Sha256Digest::from_hasher(self.sha256) })
    }
}

impl<W: Write> Write for Metered<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.out.write(data)?;
        self.sha256.update(&data[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
