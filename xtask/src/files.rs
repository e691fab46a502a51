//! Files that are whole or absent, and the removal of what killed runs left unfinished.

use std::{
    ffi::OsStr,
    fs::{File, TryLockError},
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, SystemTime},
};

use fs_err as fs;

/// No run takes so long that its files could be taken for abandoned ones.
const ABANDONED: Duration = Duration::from_hours(24);

/// Puts a text under a name in one step, readable by all.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Waits until no other process has the lock; `waits` is called once if that takes any time. Dropping the file releases it.
pub(crate) fn lock(file: &File, waits: impl FnOnce()) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            waits();
            file.lock()
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes hidden files and folders, as all unfinished ones are, that were abandoned in `dir`. They are in nobody's way, so
/// one that cannot be removed is no error.
pub(crate) fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .map(|time| SystemTime::now().duration_since(time));
        let abandoned = matches!(age, Ok(Ok(age)) if age > ABANDONED);
        if abandoned && is_hidden(&entry.file_name()) {
            let path = entry.path();
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}
