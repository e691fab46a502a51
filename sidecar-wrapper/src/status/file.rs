//! The wrapper's side.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{FILE, LOCK, NO_DIRECTORY, Reading, Status, read};

/// What is written before it has its name. Only who holds the lock writes, so one name is enough.
const UNFINISHED: &str = ".status.json.new";
/// Everybody may read the status, whatever the umask.
const PUBLIC: u32 = 0o644;
/// Readers try the lock for a moment. Longer than that is another wrapper.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The right to say what this machine's sidecar does; it ends with the process at the latest.
#[derive(Debug)]
pub struct StatusFile {
    directory: PathBuf,
    /// Closed when another program takes the place of this one, but children that go on with this one share it.
    _lock: File,
}

/// Why this process may not say what the sidecar does.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It cannot be made.
    #[error("cannot make the directory {}", path.display())]
    Directory {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be opened, or not be locked.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// Within the directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another wrapper runs.
    #[error("another sidecar-wrapper{} holds {}", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), path.display())]
    Held {
        /// Within the directory.
        path: PathBuf,
        /// As its status says.
        pid: Option<u32>,
    },
    /// What an earlier one left is in the way.
    #[error("cannot remove {}", path.display())]
    Stale {
        /// Within the directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ClaimError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { path, .. } => {
                let directory = path.parent().unwrap_or(path).display();
                Some(format!("stop it, or see what it does: sidecar-wrapper status --runtime-directory {directory}"))
            }
            Self::Directory { source, .. } | Self::Lock { source, .. }
                if source.kind() == io::ErrorKind::NotADirectory =>
            {
                Some(NO_DIRECTORY.to_owned())
            }
            Self::Directory { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("the directory above it must exist".to_owned())
            }
            Self::Directory { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("name one that this user may make with --runtime-directory".to_owned())
            }
            Self::Directory { source, .. } | Self::Lock { source, .. } | Self::Stale { source, .. } => {
                let refused = source.kind() == io::ErrorKind::PermissionDenied;
                refused.then(|| "the directory belongs to the user whose wrapper ran first".to_owned())
            }
        }
    }
}

/// Why the status is not up to date. The wrapper goes on all the same.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl StatusFile {
    /// Takes the lock, and removes what an earlier wrapper left.
    pub fn claim(directory: &Path) -> Result<Self, ClaimError> {
        make(directory).map_err(|source| ClaimError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join(LOCK);
        // Who may open it could lock it, and so keep the sidecar from starting.
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = match opened.map_err(TryLockError::Error).and_then(|lock| take(&lock).map(|()| lock)) {
            Ok(lock) => lock,
            Err(TryLockError::Error(source)) => return Err(ClaimError::Lock { path, source }),
            Err(TryLockError::WouldBlock) => {
                let pid = match read(directory) {
                    Ok(Reading::Running(status)) => Some(status.wrapper.pid),
                    _ => None,
                };
                return Err(ClaimError::Held { path, pid });
            }
        };
        let stale = directory.join(FILE);
        match fs::remove_file(&stale) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ClaimError::Stale { path: stale, source }),
            _ => Ok(Self { directory: directory.to_owned(), _lock: lock }),
        }
    }

    /// Puts `status` in the place of the one before. If that fails, the one before stays.
    pub fn write(&self, status: &Status) -> Result<(), WriteError> {
        let unfinished = self.directory.join(UNFINISHED);
        let path = self.directory.join(FILE);
        // Nothing is synced: the directory is in memory, and no status outlives the machine's.
        let written = create(&unfinished, status).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|source| {
            // It may be what fills the file system.
            let _ = fs::remove_file(&unfinished);
            WriteError { path, source }
        })
    }

    /// The orderly end: nothing runs any more, and nothing is left to read.
    pub fn remove(self) -> Result<(), WriteError> {
        let path = self.directory.join(FILE);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(WriteError { path, source }),
            // The lock's file stays: another wrapper may have opened it already.
            _ => Ok(()),
        }
    }
}

fn make(directory: &Path) -> io::Result<()> {
    const MODE: u32 = 0o755;
    match DirBuilder::new().mode(MODE).create(directory) {
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(MODE)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn take(lock: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_TRIES),
            done => return done,
        }
    }
    lock.try_lock()
}

fn create(path: &Path, status: &Status) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(status)?;
    json.push(b'\n');
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PUBLIC).open(path)?;
    file.set_permissions(Permissions::from_mode(PUBLIC))?;
    file.write_all(&json)
}
