use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use artifact::{Artifact, InstallPath};

use super::{Fault, FaultKind, file, listing::Listing};

/// Two keep a disk busy while one of them hashes; more would only make it seek.
const THREADS: usize = 2;

/// Compares each package with its entry.
pub(super) fn check(dir: &Path, packages: &[&Artifact]) -> Vec<Fault> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut faults = Vec::new();
        while let Some(artifact) = packages.get(next.fetch_add(1, Ordering::Relaxed)) {
            let path = PathBuf::from(artifact.path.relative());
            faults.extend(check_package(&dir.join(&path), artifact).err().map(|kind| Fault { path, kind }));
        }
        faults
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("the threads do not panic")).collect()
    })
}

/// All that is wrong with a package besides its content: whether it is a file, its size, and the checksum file beside it.
pub(super) fn check_outside(dir: &Path, listing: &Listing, artifact: &Artifact) -> impl Iterator<Item = Fault> + use<> {
    let package = PathBuf::from(artifact.path.relative());
    let checksum = PathBuf::from(InstallPath::Checksum(artifact.path.package().clone()).relative());
    let outcomes = [
        (listing.file(&package).and_then(|()| check_size(&dir.join(&package), artifact)), package),
        (listing.file(&checksum).and_then(|()| check_checksum(&dir.join(&checksum), artifact)), checksum),
    ];
    outcomes.into_iter().filter_map(|(outcome, path)| outcome.err().map(|kind| Fault { path, kind }))
}

fn check_size(path: &Path, artifact: &Artifact) -> Result<(), FaultKind> {
    let (expected, found) = (artifact.size, fs::metadata(path).map_err(unreadable)?.len());
    if found == expected { Ok(()) } else { Err(FaultKind::WrongSize { expected, found }) }
}

fn check_package(path: &Path, artifact: &Artifact) -> Result<(), FaultKind> {
    let (size, digest) = file::digest(path, artifact.size).map_err(unreadable)?;
    FaultKind::compare(artifact, size, digest).map_or(Ok(()), Err)
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
