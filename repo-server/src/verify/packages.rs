use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use artifact::{Artifact, InstallPath};

use super::{Fault, FaultKind, tree::Tree};
use crate::file;

/// Two keep a disk busy while one of them hashes; more would only make it seek.
const THREADS: usize = 2;

/// Compares each package and its checksum file with its entry.
pub(super) fn check(dir: &Path, tree: &Tree, artifacts: &[&Artifact]) -> Vec<Fault> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut faults = Vec::new();
        while let Some(artifact) = artifacts.get(next.fetch_add(1, Ordering::Relaxed)) {
            faults.extend(check_one(dir, tree, artifact));
        }
        faults
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("the threads do not panic")).collect()
    })
}

fn check_one(dir: &Path, tree: &Tree, artifact: &Artifact) -> impl Iterator<Item = Fault> {
    let package = PathBuf::from(artifact.path.relative());
    let checksum = PathBuf::from(InstallPath::Checksum(artifact.path.package().clone()).relative());
    let outcomes = [
        (tree.file(&package).and_then(|()| check_package(&dir.join(&package), artifact)), package),
        (tree.file(&checksum).and_then(|()| check_checksum(&dir.join(&checksum), artifact)), checksum),
    ];
    outcomes.into_iter().filter_map(|(outcome, path)| outcome.err().map(|kind| Fault { path, kind }))
}

fn check_package(path: &Path, artifact: &Artifact) -> Result<(), FaultKind> {
    let expected = artifact.size;
    // A file of another size needs no hashing.
    let found = fs::metadata(path).map_err(unreadable)?.len();
    if found != expected {
        return Err(FaultKind::WrongSize { expected, found });
    }
    let (found, digest) = file::digest(path, expected).map_err(unreadable)?;
    if found != expected {
        return Err(FaultKind::WrongSize { expected, found });
    }
    if digest != artifact.sha256 {
        return Err(FaultKind::WrongDigest { expected: artifact.sha256, found: digest });
    }
    Ok(())
}

fn check_checksum(path: &Path, artifact: &Artifact) -> Result<(), FaultKind> {
    let expected = artifact.sha256.checksum_line(&artifact.path.file_name());
    let content = file::read(path, expected.len() as u64).map_err(unreadable)?;
    if content.as_deref() == Some(expected.as_bytes()) { Ok(()) } else { Err(FaultKind::WrongChecksum { expected }) }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
fn unreadable(error: io::Error) -> FaultKind {
    FaultKind::Unreadable { reason: error.to_string() }
}
