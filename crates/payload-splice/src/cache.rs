use std::{
    fs::{self, File},
    io::{self, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use artifact::Sha256Digest;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::{
    body::copy_exactly,
    codec::{CODEC_VERSION, CodecError},
    compress::{Failure, compress_all},
    digest::{FileHasher, Md5Digest, Want},
    level::Level,
    payload::{CompressedPayload, Metered},
    xz::BlockSize,
};

/// Compressed payloads on disk, found by the digest of the uncompressed file, level and version of the codec.
#[derive(Debug, Clone)]
pub struct BlockCache {
    dir: PathBuf,
}

/// A payload could not be compressed or kept.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The file to compress.
    #[error("cannot read {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file to compress is another one than was asked for.
    #[error("{} has the SHA-256 digest {found}, not {expected}", path.display())]
    Digest {
        /// Its path.
        path: PathBuf,
        /// The digest asked for.
        expected: Sha256Digest,
        /// Its digest.
        found: Sha256Digest,
    },
    /// The compressor.
    #[error("cannot compress {}", path.display())]
    Compress {
        /// The file to compress.
        path: PathBuf,
        /// Why.
        source: CodecError,
    },
    /// A file or folder of the cache.
    #[error("cannot {action} {} in the cache of compressed payloads", path.display())]
    Store {
        /// What was tried: create, read, write or remove.
        action: &'static str,
        /// The cache's file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl CacheError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Digest { path, .. } => Some(format!("remove {} and fetch it again", path.display())),
            Self::Store { path, .. } => {
                Some(format!("make sure that {} can be written and has room; it may be removed", path.display()))
            }
            Self::Read { .. } | Self::Compress { .. } => None,
        }
    }
}

/// What the JSON file of an entry holds. It is written last: an entry without it does not exist.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    size: u64,
    md5: Md5Digest,
    stored_size: u64,
    stored_sha256: Sha256Digest,
    blocks: Vec<BlockSize>,
}

impl Entry {
    /// Whether the sums fit each other.
    fn adds_up(&self) -> bool {
        let total = |size: fn(&BlockSize) -> Option<u64>| {
            self.blocks.iter().try_fold(0u64, |sum, block| sum.checked_add(size(block)?))
        };
        total(|block| Some(block.uncompressed)) == Some(self.size)
            && total(|block| block.stored()) == Some(self.stored_size)
    }
}

impl BlockCache {
    /// A cache in `dir`, which is created when it is first written to.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The blocks of `file`, whose digest must be `sha256`: from the cache if they are there and undamaged, else made on
    /// up to `threads` threads and kept. The blocks do not depend on `threads`. `progress` is told of every piece of the
    /// uncompressed file that is done, in bytes; all at once if the blocks were there, and then `file` is not read.
    ///
    /// Holds up to `threads` + 1 quarters of the file in memory, and compressed blocks that wait for their turn.
    pub fn compress(
        &self,
        file: &Path,
        sha256: Sha256Digest,
        level: Level,
        threads: NonZeroUsize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<CompressedPayload, CacheError> {
        let stem = format!("{sha256}-l{level}-v{CODEC_VERSION}");
        let slot =
            Slot { blocks: self.dir.join(format!("{stem}.blocks")), entry: self.dir.join(format!("{stem}.json")) };
        let (entry, cached) = if let Some(entry) = slot.lookup()? {
            progress(entry.size);
            (entry, true)
        } else {
            fs::create_dir_all(&self.dir).map_err(store("create", &self.dir))?;
            let mut out = NamedTempFile::new_in(&self.dir).map_err(store("create", &self.dir))?;
            let entry = fill(&mut out, file, sha256, level, threads, progress)?;
            slot.commit(&self.dir, out, &entry)?;
            (entry, false)
        };
        let Entry { size, md5, stored_size, blocks, .. } = entry;
        Ok(CompressedPayload { sha256, md5, size, blocks, stored_size, path: slot.blocks, cached })
    }
}

/// Compresses `file` into `out`.
fn fill(
    out: &mut NamedTempFile,
    file: &Path,
    sha256: Sha256Digest,
    level: Level,
    threads: NonZeroUsize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Entry, CacheError> {
    let read = |source| CacheError::Read { path: file.to_owned(), source };
    let mut input = File::open(file).map_err(read)?;
    let size = input.metadata().map_err(read)?.len();
    let temp = out.path().to_owned();
    let mut stored = Metered::new(out);
    let mut blocks = Vec::new();
    let digests = compress_all(&mut input, size, level, threads, progress, |block| {
        blocks.push(block.size);
        stored.write_all(&block.bytes)
    })
    .map_err(|failure| match failure {
        Failure::Read(source) => read(source),
        Failure::Compress(source) => CacheError::Compress { path: file.to_owned(), source },
        Failure::Write(source) => store("write", &temp)(source),
    })?;
    if digests.sha256 != sha256 {
        return Err(CacheError::Digest { path: file.to_owned(), expected: sha256, found: digests.sha256 });
    }
    let (_, stored) = stored.finish();
    Ok(Entry { size, md5: digests.md5, stored_size: stored.size, stored_sha256: stored.sha256, blocks })
}

/// The two files of an entry.
struct Slot {
    blocks: PathBuf,
    entry: PathBuf,
}

impl Slot {
    /// The entry, if it is there; a damaged one is removed.
    fn lookup(&self) -> Result<Option<Entry>, CacheError> {
        let json = match fs::read(&self.entry) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            json => json.map_err(store("read", &self.entry))?,
        };
        if let Ok(entry) = serde_json::from_slice::<Entry>(&json)
            && entry.adds_up()
            && self.matches(&entry)?
        {
            return Ok(Some(entry));
        }
        fs::remove_file(&self.entry).map_err(store("remove", &self.entry))?;
        Ok(None)
    }

    fn matches(&self, entry: &Entry) -> Result<bool, CacheError> {
        let error = store("read", &self.blocks);
        let mut file = match File::open(&self.blocks) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file.map_err(&error)?,
        };
        if file.metadata().map_err(&error)?.len() != entry.stored_size {
            return Ok(false);
        }
        let mut hasher = FileHasher::new(Want::Sha256);
        copy_exactly(&mut file, entry.stored_size, |data| hasher.update(data)).map_err(&error)?;
        Ok(hasher.finish().sha256 == entry.stored_sha256)
    }

    /// Blocks first, then the JSON file that makes them an entry; both whole and on disk before they have their name.
    fn commit(&self, dir: &Path, blocks: NamedTempFile, entry: &Entry) -> Result<(), CacheError> {
        let mut json = NamedTempFile::new_in(dir).map_err(store("create", dir))?;
        let text = serde_json::to_vec_pretty(entry).expect("numbers, strings and lists have a JSON form");
        json.write_all(&text).map_err(store("write", &self.entry))?;
        for (temp, path) in [(blocks, &self.blocks), (json, &self.entry)] {
            temp.as_file().sync_all().map_err(store("write", path))?;
            temp.persist(path).map_err(|error| store("write", path)(error.error))?;
        }
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(store("write", dir))
    }
}

fn store<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> CacheError + use<'a> {
    move |source| CacheError::Store { action, path: path.to_owned(), source }
}
