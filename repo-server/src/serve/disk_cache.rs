//! Packages of a remote store on a local disk, so that memory may forget them and a restart finds them.
//!
//! One file for each, named by its digest, whose time of change is when it was last used. Nothing in the folder is believed:
//! a file is hashed before anybody gets a byte of it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use artifact::Sha256Digest;
use bytes::Bytes;
use release_store::Blob;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use tracing::{error, warn};

use super::{config::CacheSettings, source::read_full_at};
use crate::blob::PIECE;

/// Before the name of a file that is being written.
const PARTIAL: &str = ".partial-";
/// A partial file of this age has no writer any more.
const ABANDONED: Duration = Duration::from_hours(1);

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the cache folder {}", dir.display())]
pub(crate) struct CacheError {
    dir: PathBuf,
    source: io::Error,
}

impl CacheError {
    /// The next step.
    pub(crate) const HINT: &str =
        "--cache-dir must be a folder that repo-server may write to, on a disk with room for --cache-size";
}

/// What became of a look into the cache.
#[derive(Debug)]
pub(crate) enum Cached {
    /// Every byte is there and right.
    Hit(File),
    /// It is not there.
    Miss,
    /// It was there with other bytes, and is not there any more.
    Corrupt,
}

/// A bounded folder of blobs. Several servers may share it.
#[derive(Debug)]
pub(crate) struct DiskCache {
    dir: PathBuf,
    size: u64,
    /// One at a time makes room.
    room: Mutex<()>,
}

impl DiskCache {
    /// Makes the folder if need be, and sees that it can be written.
    pub(crate) fn open(settings: &CacheSettings) -> Result<Self, CacheError> {
        let CacheSettings { dir, size } = settings.clone();
        let open = || {
            fs::create_dir_all(&dir)?;
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                let is_partial = entry.file_name().to_str().is_some_and(|name| name.starts_with(PARTIAL));
                let age = entry.metadata().and_then(|metadata| metadata.modified())?.elapsed();
                if is_partial && age.is_ok_and(|age| age > ABANDONED) {
                    fs::remove_file(entry.path())?;
                }
            }
            partial(&dir)?.write_all(b"can this folder be written?")
        };
        match open() {
            Ok(()) => Ok(Self { dir, size, room: Mutex::default() }),
            Err(source) => Err(CacheError { dir, source }),
        }
    }

    fn path(&self, digest: Sha256Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    /// Looks a blob up and hashes it. Blocks.
    pub(crate) fn get(&self, blob: Blob) -> Cached {
        let path = self.path(blob.digest);
        let open = || {
            let file = File::options().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&path)?;
            Ok(if is_right(&file, blob)? { Some(file) } else { None })
        };
        match open() {
            Ok(Some(file)) => {
                // Only the order of forgetting hangs on it.
                let _ = file.set_modified(SystemTime::now());
                Cached::Hit(file)
            }
            Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Cached::Miss,
            wrong => {
                let reason = wrong.err().map_or_else(|| "other bytes".to_owned(), |error| error.to_string());
                error!(file = %path.display(), reason, "cached blob refused; it comes from the store again");
                let _ = fs::remove_file(&path);
                Cached::Corrupt
            }
        }
    }

    /// Keeps a blob that was verified, unless it is larger than the whole cache. What cannot be kept is said and no more:
    /// it is in memory anyway. Blocks.
    pub(crate) fn put(&self, blob: Blob, pieces: &[Bytes]) -> Result<(), CacheError> {
        if blob.size > self.size {
            return Ok(());
        }
        let write = || {
            self.make_room(blob.size)?;
            let mut file = partial(&self.dir)?;
            pieces.iter().try_for_each(|piece| file.write_all(piece))?;
            file.persist(self.path(blob.digest)).map_err(|failed| failed.error)?;
            Ok(())
        };
        write().map_err(|source| {
            let error = CacheError { dir: self.dir.clone(), source };
            warn!(error = &error as &dyn std::error::Error, hint = CacheError::HINT, "a blob is not kept on the disk");
            error
        })
    }

    /// Forgets what was used longest ago until `size` more bytes fit.
    fn make_room(&self, size: u64) -> io::Result<()> {
        let _alone = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Another server may have deleted it since.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() && is_blob(&entry.file_name()) {
                kept.push((metadata.modified()?, entry.file_name(), metadata.len()));
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, _, size)| size).sum();
        for (_, name, freed) in kept {
            if total + size <= self.size {
                break;
            }
            match fs::remove_file(self.dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= freed,
            }
        }
        Ok(())
    }
}

fn partial(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(PARTIAL).tempfile_in(dir)
}

fn is_blob(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.parse::<Sha256Digest>().is_ok())
}

fn is_right(file: &File, blob: Blob) -> io::Result<bool> {
    if file.metadata()?.len() != blob.size {
        return Ok(false);
    }
    let (mut hasher, mut buffer, mut offset) = (Sha256::new(), vec![0; PIECE], 0);
    loop {
        match read_full_at(file, &mut buffer, offset)? {
            0 => return Ok(Sha256Digest::from_hasher(hasher) == blob.digest),
            count => {
                hasher.update(&buffer[..count]);
                offset += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(seed: u8) -> (Blob, Bytes) {
        let bytes = Bytes::from(vec![seed; 1000]);
        (Blob { digest: Sha256Digest::of(&bytes), size: 1000 }, bytes)
    }

    fn cache(dir: &Path, size: u64) -> DiskCache {
        DiskCache::open(&CacheSettings { dir: dir.to_owned(), size }).expect("our own folder")
    }

    fn put(cache: &DiskCache, seed: u8, age: u64) {
        let (blob, bytes) = content(seed);
        cache.put(blob, &[bytes.slice(..400), bytes.slice(400..)]).expect("there is room");
        let file = File::open(cache.path(blob.digest)).expect("it was kept");
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("our own file");
    }

    fn is_hit(cache: &DiskCache, seed: u8) -> bool {
        matches!(cache.get(content(seed).0), Cached::Hit(_))
    }

    #[test]
    fn forgets_what_was_used_longest_ago() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(&dir.path().join("new"), 2500);
        put(&cache, 1, 30);
        put(&cache, 2, 20);
        assert!(is_hit(&cache, 1), "and so it was used just now");
        put(&cache, 3, 10);
        assert!(is_hit(&cache, 1) && !is_hit(&cache, 2) && is_hit(&cache, 3));
        assert_eq!(fs::read_dir(&cache.dir).expect("our own folder").count(), 2);
    }

    #[test]
    fn what_is_larger_than_all_is_not_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(dir.path(), 999);
        let (blob, bytes) = content(1);
        cache.put(blob, &[bytes]).expect("nothing to do");
        assert!(!is_hit(&cache, 1));
    }

    #[test]
    fn other_bytes_are_found_out_and_thrown_away() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(dir.path(), 2500);
        for other in [vec![9; 1000], vec![1; 999], Vec::new()] {
            put(&cache, 1, 0);
            let (blob, _) = content(1);
            fs::write(cache.path(blob.digest), other).expect("our own file");
            assert!(matches!(cache.get(blob), Cached::Corrupt));
            assert!(matches!(cache.get(blob), Cached::Miss));
        }
    }

    #[test]
    fn nothing_else_in_the_folder_is_touched_and_leftovers_go() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (old, young) = (dir.path().join(".partial-old"), dir.path().join(".partial-young"));
        for path in [&old, &young, &dir.path().join("notes.txt")] {
            fs::write(path, "x").expect("our own folder");
        }
        let times = File::open(&old).expect("it is there");
        times.set_modified(SystemTime::now() - ABANDONED * 2).expect("our own file");
        let cache = cache(dir.path(), 1000);
        put(&cache, 1, 10);
        put(&cache, 2, 0);
        assert!(!old.exists() && young.exists() && dir.path().join("notes.txt").exists());
        assert!(!is_hit(&cache, 1) && is_hit(&cache, 2));
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, "x").expect("our own folder");
        let error = DiskCache::open(&CacheSettings { dir: file.join("cache"), size: 1 }).expect_err("below a file");
        assert!(error.to_string().contains("file/cache"), "{error}");
    }
}
