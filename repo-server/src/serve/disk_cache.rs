//! Packages of a remote store on a local disk, so that memory may forget them and a restart finds them.
//!
//! One file for each, named by its digest, whose time of change is when it was last used. Nothing in the folder is believed:
//! a file is hashed before anybody gets a byte of it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use artifact::Sha256Digest;
use release_store::Blob;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use tracing::{error, warn};

use super::{config::CacheSettings, source::read_full_at};
use crate::blob::PIECE;

/// Before the name of a file that is being written.
const PARTIAL: &str = ".partial-";
/// A partial file of this age has no writer any more.
const ABANDONED: Duration = Duration::from_mins(10);

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

/// A bounded folder of blobs. Several servers may share it, each with a bound of its own.
#[derive(Debug)]
pub(crate) struct DiskCache {
    dir: PathBuf,
    size: u64,
    /// One at a time makes room and writes.
    writing: Mutex<()>,
}

impl DiskCache {
    /// Makes the folder if need be, and sees that it can be written.
    pub(crate) fn open(settings: &CacheSettings) -> Result<Self, CacheError> {
        let CacheSettings { dir, size } = settings.clone();
        let cache = Self { dir, size, writing: Mutex::default() };
        let usable = fs::create_dir_all(&cache.dir)
            .and_then(|()| cache.make_room(0))
            .and_then(|()| partial(&cache.dir)?.write_all(b"can this folder be written?"));
        match usable {
            Ok(()) => Ok(cache),
            Err(source) => Err(CacheError { dir: cache.dir, source }),
        }
    }

    fn path(&self, digest: Sha256Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    /// Looks a blob up and hashes it. Blocks.
    pub(crate) fn get(&self, blob: Blob) -> Cached {
        let path = self.path(blob.digest);
        // Whoever may write to the folder could have put a pipe there.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let opened = File::options().read(true).custom_flags(flags).open(&path);
        match opened.and_then(|file| Ok((is_right(&file, blob)?, file))) {
            Ok((true, file)) => {
                // Only the order of forgetting hangs on it.
                let _ = file.set_modified(SystemTime::now());
                Cached::Hit(file)
            }
            Ok((false, _)) => {
                error!(file = %path.display(), "cached blob refused: other bytes; it comes from the store again");
                let _ = fs::remove_file(&path);
                Cached::Corrupt
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Cached::Miss,
            // It may be another server's, and good.
            Err(error) => {
                warn!(file = %path.display(), %error, "a cached blob cannot be read; it comes from the store");
                Cached::Miss
            }
        }
    }

    /// Keeps a blob that was verified, unless it is larger than the whole cache, or another one is being written. What cannot be kept
    /// is said and no more: it is in memory anyway. Blocks.
    pub(crate) fn put(&self, blob: Blob, bytes: &[u8]) -> Result<(), CacheError> {
        let Ok(_alone) = self.writing.try_lock() else { return Ok(()) };
        if blob.size > self.size {
            return Ok(());
        }
        let write = || {
            self.make_room(blob.size)?;
            let mut file = partial(&self.dir)?;
            file.write_all(bytes)?;
            file.persist(self.path(blob.digest)).map_err(|failed| failed.error)?;
            Ok(())
        };
        write().map_err(|source| {
            let error = CacheError { dir: self.dir.clone(), source };
            warn!(error = &error as &dyn std::error::Error, hint = CacheError::HINT, "a blob is not kept on the disk");
            error
        })
    }

    /// Forgets what was used longest ago until `size` more bytes fit, and what writers left that were killed. Other servers may delete
    /// the same files meanwhile, and files of theirs that cannot be deleted are left to them.
    fn make_room(&self, size: u64) -> io::Result<()> {
        let mut kept = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            let used = metadata.modified()?;
            let is_old = used.elapsed().is_ok_and(|age| age > ABANDONED);
            match Kind::of(&entry.file_name()) {
                Kind::Partial if is_old => drop(fs::remove_file(entry.path())),
                Kind::Partial => total += metadata.len(),
                Kind::Blob => {
                    total += metadata.len();
                    kept.push((used, entry.file_name(), metadata.len()));
                }
                Kind::Other => {}
            }
        }
        kept.sort();
        for (_, name, freed) in kept {
            if total + size <= self.size {
                break;
            }
            if fs::remove_file(self.dir.join(name)).is_ok() {
                total -= freed;
            }
        }
        Ok(())
    }
}

/// Readable for other servers that share the folder.
fn partial(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    let permissions = fs::Permissions::from_mode(0o644);
    tempfile::Builder::new().prefix(PARTIAL).permissions(permissions).tempfile_in(dir)
}

/// What a name says of a file.
enum Kind {
    Blob,
    Partial,
    /// Not ours.
    Other,
}

impl Kind {
    fn of(name: &OsStr) -> Self {
        match name.to_str() {
            Some(name) if name.starts_with(PARTIAL) => Self::Partial,
            Some(name) if name.parse::<Sha256Digest>().is_ok() => Self::Blob,
            _ => Self::Other,
        }
    }
}

fn is_right(file: &File, blob: Blob) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != blob.size {
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

    fn content(seed: u8) -> (Blob, Vec<u8>) {
        let bytes = vec![seed; 1000];
        (Blob { digest: Sha256Digest::of(&bytes), size: 1000 }, bytes)
    }

    fn cache(dir: &Path, size: u64) -> DiskCache {
        DiskCache::open(&CacheSettings { dir: dir.to_owned(), size }).expect("our own folder")
    }

    fn put(cache: &DiskCache, seed: u8, age: u64) {
        let (blob, bytes) = content(seed);
        cache.put(blob, &bytes).expect("there is room");
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
        cache.put(blob, &bytes).expect("nothing to do");
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
    fn what_cannot_be_opened_is_left_alone_and_a_pipe_holds_nobody_up() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cache = cache(dir.path(), 2500);
        let (blob, _) = content(1);
        // Nobody may follow it, also root.
        std::os::unix::fs::symlink("/etc/hostname", cache.path(blob.digest)).expect("our own folder");
        assert!(matches!(cache.get(blob), Cached::Miss));
        assert!(cache.path(blob.digest).is_symlink());
        fs::remove_file(cache.path(blob.digest)).expect("our own folder");
        rustix::fs::mkfifoat(rustix::fs::CWD, cache.path(blob.digest), rustix::fs::Mode::RUSR).expect("our own folder");
        assert!(matches!(cache.get(blob), Cached::Corrupt));
        put(&cache, 1, 0);
        assert!(is_hit(&cache, 1));
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
