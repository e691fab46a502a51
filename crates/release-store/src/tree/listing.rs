use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, FileType},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{Fault, FaultKind, Found};

/// The folder that a server serves.
const INSTALL: &str = "install";

/// All that stands below `install`, without following a link. Paths are relative to the tree.
pub(super) struct Listing {
    entries: BTreeMap<PathBuf, Found>,
    /// Folders that could not be read.
    pub(super) faults: Vec<Fault>,
}

impl Listing {
    pub(super) fn read(dir: &Path) -> Self {
        let mut tree = Self { entries: BTreeMap::new(), faults: Vec::new() };
        match fs::symlink_metadata(dir.join(INSTALL)) {
            Ok(metadata) => tree.enter(dir, INSTALL.into(), metadata.file_type()),
            // Then the packages are missing, which is reported for each.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tree.unreadable(INSTALL.into(), &error),
        }
        tree
    }

    /// Records an entry and, for a folder, all below it.
    fn enter(&mut self, dir: &Path, path: PathBuf, kind: FileType) {
        let mut pending = vec![(path, kind)];
        while let Some((path, kind)) = pending.pop() {
            let found = found(kind);
            if found == Found::Directory {
                match list(&dir.join(&path)) {
                    Ok(names) => pending.extend(names.into_iter().map(|(name, kind)| (path.join(name), kind))),
                    Err(error) => self.unreadable(path.clone(), &error),
                }
            }
            self.entries.insert(path, found);
        }
    }

    fn unreadable(&mut self, path: PathBuf, error: &io::Error) {
        self.faults.push(Fault { path, kind: FaultKind::Unreadable { reason: error.to_string() } });
    }

    /// Whether a regular file stands at `path`, and if not, what is wrong.
    pub(super) fn file(&self, path: &Path) -> Result<(), FaultKind> {
        match self.entries.get(path) {
            Some(Found::File) => Ok(()),
            Some(&found) => Err(FaultKind::NotAFile { found }),
            None => Err(FaultKind::Missing),
        }
    }

    /// What is neither a folder nor `expected`.
    pub(super) fn unexpected(&self, expected: &BTreeSet<PathBuf>) -> impl Iterator<Item = Fault> {
        self.entries
            .iter()
            .filter(|(path, found)| **found != Found::Directory && !expected.contains(*path))
            .map(|(path, &found)| Fault { path: path.clone(), kind: FaultKind::Unexpected { found } })
    }
}

fn found(kind: FileType) -> Found {
    if kind.is_file() {
        Found::File
    } else if kind.is_symlink() {
        Found::Symlink
    } else if kind.is_dir() {
        Found::Directory
    } else {
        Found::Special
    }
}

fn list(folder: &Path) -> io::Result<Vec<(std::ffi::OsString, FileType)>> {
    fs::read_dir(folder)?
        .map(|entry| {
            let entry = entry?;
            // Of the entry itself, not of what a link names.
            Ok((entry.file_name(), entry.file_type()?))
        })
        .collect()
}
