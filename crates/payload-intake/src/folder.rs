use std::{
    fs::{self, File, FileType},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::{ArchiveKind, EntryKind, IntakeError, collector::Collector, member::Root};

/// Walks a directory. Symbolic links are not followed, neither to files nor to folders.
pub(crate) fn walk(folder: &Path, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    let open_error = |source| IntakeError::Open { path: folder.to_owned(), source };
    if !fs::metadata(folder).map_err(open_error)?.is_dir() {
        let (archive, expected) = (folder.to_owned(), ArchiveKind::Directory);
        return Err(IntakeError::WrongKind { archive, expected, found: ArchiveKind::File.to_string() });
    }
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let path = folder.join(&relative);
        for (name, file_type) in entries(&path, collector)? {
            let relative = relative.join(&name);
            let kind = entry_kind(file_type);
            if let Some(slot) = collector.admit(relative.as_os_str().as_bytes(), kind, Root::Relative)? {
                let path = folder.join(&relative);
                let read_error = |source| IntakeError::Read { archive: path.clone(), source };
                let file = File::open(&path).map_err(read_error)?;
                let size = file.metadata().map_err(read_error)?.len();
                let mut stream = collector.meter(file);
                collector.take(slot, size, &mut stream)?;
            }
            if kind == EntryKind::Directory {
                pending.push(relative);
            }
        }
    }
    Ok(())
}

/// The content of one folder in the order of names, so that hints do not depend on the file system.
fn entries(path: &Path, collector: &Collector<'_>) -> Result<Vec<(PathBuf, FileType)>, IntakeError> {
    let read_error = |source| IntakeError::Read { archive: path.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(read_error)? {
        // One folder may hold more names than memory; they are counted a second time when they are judged.
        collector.check_entries(entries.len() as u64 + 1)?;
        let named =
            |entry: fs::DirEntry| -> io::Result<_> { Ok((PathBuf::from(entry.file_name()), entry.file_type()?)) };
        entries.push(entry.and_then(named).map_err(read_error)?);
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries)
}

fn entry_kind(file_type: FileType) -> EntryKind {
    if file_type.is_file() {
        EntryKind::Regular
    } else if file_type.is_dir() {
        EntryKind::Directory
    } else if file_type.is_symlink() {
        EntryKind::Symlink
    } else {
        EntryKind::Special
    }
}
