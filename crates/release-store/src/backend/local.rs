//! What a folder can do that a server cannot: real files, and copies that are hashed on the way.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path as FilePath, PathBuf},
    time::{Duration, SystemTime},
};

use artifact::Sha256Digest;
use object_store::path::Path;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use sha2::{Digest, Sha256};

use super::Operation;

/// Large enough that hashing is the bottleneck, small enough to stay in a core's cache.
const BUFFER: usize = 256 << 10;

/// The folder of a local store.
#[derive(Debug, Clone)]
pub(crate) struct LocalDir {
    /// Absolute, and without links.
    root: PathBuf,
}

/// How a copy into the store ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copied {
    /// It is there and durable.
    Done,
    /// The source is not what it should be; nothing was left behind.
    Differs { size: u64, digest: Sha256Digest },
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum CopyError {
    Source(io::Error),
    Store(io::Error),
}

impl LocalDir {
    pub(super) fn open(dir: &FilePath) -> io::Result<Self> {
        let root = dir.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::from(ErrorKind::NotADirectory));
        }
        Ok(Self { root })
    }

    pub(crate) fn path(&self) -> &FilePath {
        &self.root
    }

    fn file(&self, path: &Path) -> PathBuf {
        self.root.join(path.as_ref())
    }

    /// Opens a regular file for reading. No link is followed on the way, wherever it leads: a store has none, and what
    /// is behind one is not there.
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<File> {
        let no_file = || io::Error::new(ErrorKind::NotFound, "there is something else than a file");
        self.try_open(path).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::LOOP | Errno::NOTDIR) => no_file(),
            None if error.kind() == ErrorKind::InvalidData => no_file(),
            _ => error,
        })
    }

    fn try_open(&self, path: &Path) -> io::Result<File> {
        let common = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder = rustix::fs::open(&self.root, common | OFlags::DIRECTORY, Mode::empty())?;
        let parts: Vec<_> = path.parts().collect();
        let (name, folders) = parts.split_last().ok_or(ErrorKind::InvalidInput)?;
        for part in folders {
            folder = rustix::fs::openat(&folder, part.as_ref(), common | OFlags::DIRECTORY, Mode::empty())?;
        }
        // A pipe would hold up the opening.
        let file = File::from(rustix::fs::openat(&folder, name.as_ref(), common | OFlags::NONBLOCK, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidData.into()) }
    }

    /// Copies `source` to `path` while hashing it; only if it has the `size` and `digest` does it get its name. What is
    /// there already is replaced: names are digests, so it can only have been damaged.
    pub(crate) fn copy_in(
        &self,
        source: &mut dyn Read,
        path: &Path,
        (size, digest): (u64, Sha256Digest),
        advance: &dyn Fn(u64),
    ) -> Result<Copied, CopyError> {
        let destination = self.file(path);
        let (mut file, staged) = stage(&destination).map_err(CopyError::Store)?;
        let outcome = copy(source, &mut file, size, advance).and_then(|(found_size, found)| {
            if (found_size, found) != (size, digest) {
                return Ok(Copied::Differs { size: found_size, digest: found });
            }
            file.sync_all()
                .and_then(|()| fs::rename(&staged.0, &destination))
                .and_then(|()| sync_parent(&destination))
                .map_err(CopyError::Store)?;
            Ok(Copied::Done)
        });
        drop(staged);
        outcome
    }

    /// Removes the unfinished files of writers that were killed: those with a staging name that nobody changed for `age`
    /// and nobody has open. Gives how many there were.
    pub(crate) fn sweep(&self, folders: &[&str], age: Duration) -> io::Result<usize> {
        let mut stale = Vec::new();
        for folder in folders {
            find_stale(&self.root.join(folder), age, &mut stale)?;
        }
        if stale.is_empty() {
            return Ok(0);
        }
        let open = open_files();
        stale.retain(|path| !open.contains(path));
        for path in &stale {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(stale.len())
    }
}

impl CopyError {
    /// What the store was asked for when it failed.
    pub(crate) const OPERATION: Operation = Operation::Write;
}

/// A file that goes away with the value, unless it was renamed.
struct Staged(PathBuf);

impl Drop for Staged {
    fn drop(&mut self) {
        // It is gone when it was renamed; else a sweep finds it.
        let _ = fs::remove_file(&self.0);
    }
}

/// A new file `<name>#<number>` beside `destination`: `object_store` names its own so, hides them, and so one sweep
/// finds both.
fn stage(destination: &FilePath) -> io::Result<(File, Staged)> {
    let mut made_folder = false;
    for number in 1_u32.. {
        let mut name = destination.as_os_str().to_owned();
        name.push(format!("#{number}"));
        let path = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, Staged(path))),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound && !made_folder => {
                make_folder(&path)?;
                made_folder = true;
            }
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Makes the folders above `path`, each one durable.
fn make_folder(path: &FilePath) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    match fs::create_dir(folder) {
        Ok(()) => sync_parent(folder),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_folder(folder)?;
            make_folder(path)
        }
        Err(error) => Err(error),
    }
}

fn sync_parent(path: &FilePath) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn copy(
    source: &mut dyn Read,
    file: &mut File,
    limit: u64,
    advance: &dyn Fn(u64),
) -> Result<(u64, Sha256Digest), CopyError> {
    // A source that grows must not fill the disk.
    let mut source = source.take(limit.saturating_add(1));
    let (mut size, mut hasher, mut buffer) = (0, Sha256::new(), vec![0; BUFFER]);
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok((size, Sha256Digest::from_hasher(hasher))),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                file.write_all(&buffer[..count]).map_err(CopyError::Store)?;
                size += count as u64;
                advance(count as u64);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Source(error)),
        }
    }
}

fn find_stale(folder: &FilePath, age: Duration, stale: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find_stale(&entry.path(), age, stale)?;
        } else if kind.is_file() && is_staging_name(&entry.file_name()) {
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            // A time in the future is young.
            if SystemTime::now().duration_since(metadata.modified()?).is_ok_and(|idle| idle >= age) {
                stale.push(entry.path());
            }
        }
    }
    Ok(())
}

fn is_staging_name(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, digits)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Every file that a process has open, as far as this user may know.
fn open_files() -> std::collections::BTreeSet<PathBuf> {
    let entries = |path: &FilePath| fs::read_dir(path).into_iter().flatten().flatten();
    entries(FilePath::new("/proc"))
        .filter(|process| process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .flat_map(|process| entries(&process.path().join("fd")))
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, LocalDir) {
        let dir = tempfile::tempdir().expect("a folder");
        let local = LocalDir::open(dir.path()).expect("it is there");
        (dir, local)
    }

    fn stale_file(dir: &FilePath, name: &str) -> PathBuf {
        let path = dir.join("blobs").join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
        let file = File::create(&path).expect("writable");
        file.set_modified(SystemTime::now() - Duration::from_secs(100)).expect("it is ours");
        path
    }

    #[test]
    fn a_copy_that_differs_leaves_nothing() {
        let (_dir, local) = store();
        let path = Path::from("blobs/x");
        let meant = (3, Sha256Digest::of(b"abc"));
        let found = local.copy_in(&mut &b"abd"[..], &path, meant, &|_| ()).expect("writable");
        assert_eq!(found, Copied::Differs { size: 3, digest: Sha256Digest::of(b"abd") });
        let longer = local.copy_in(&mut &b"abcdefgh"[..], &path, meant, &|_| ()).expect("writable");
        assert!(matches!(longer, Copied::Differs { size: 4, .. }), "{longer:?}");
        assert_eq!(fs::read_dir(local.path().join("blobs")).expect("it was made").count(), 0);
        assert_eq!(local.copy_in(&mut &b"abc"[..], &path, meant, &|_| ()).expect("writable"), Copied::Done);
        assert_eq!(fs::read(local.path().join("blobs/x")).expect("it is there"), b"abc");
    }

    #[test]
    fn follows_no_link() {
        let (dir, local) = store();
        fs::create_dir(dir.path().join("real")).expect("writable");
        fs::write(dir.path().join("real/file"), "x").expect("writable");
        std::os::unix::fs::symlink("file", dir.path().join("real/link")).expect("writable");
        std::os::unix::fs::symlink("real", dir.path().join("folder")).expect("writable");
        assert!(local.open_file(&Path::from("real/file")).is_ok());
        for path in ["real/link", "folder/file", "real", "folder"] {
            assert!(local.open_file(&Path::from(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn sweeps_what_is_old_and_unfinished_and_not_open() {
        let (dir, local) = store();
        let root = local.path().to_owned();
        let stale = stale_file(&root, "ab/cd#12");
        let kept = [stale_file(&root, "ab/cd"), stale_file(&root, "ab/cd#x"), stale_file(&root, "ab/#")];
        let open_path = stale_file(&root, "ab/cd#3");
        let _open = File::open(&open_path).expect("it is there");
        fs::write(root.join("blobs/young#1"), "").expect("writable");
        let swept = local.sweep(&["blobs", "absent"], Duration::from_mins(1)).expect("readable");
        assert_eq!(swept, 1);
        assert!(!stale.exists() && open_path.exists() && dir.path().join("blobs/young#1").exists());
        assert!(kept.iter().all(|path| path.exists()));
    }
}
