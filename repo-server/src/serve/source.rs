//! Where blobs come from, and how they are brought into memory.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use artifact::{ReleaseManifest, Sha256Digest};
use bytes::Bytes;
use rustix::fs::{Mode, OFlags, openat};
use tracing::{error, info};

use super::metrics::{Fill, Metrics};
use crate::blob::{BlobFault, Filler, PIECE};

/// A place that blobs are read from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The packages of dist trees.
    Tree(TreeFiles),
}

/// The packages of a dist tree, opened while the tree stood there: they can be read after it was replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct TreeFiles(BTreeMap<Sha256Digest, Arc<(File, PathBuf)>>);

impl TreeFiles {
    /// Opens every package that a manifest names below `folder`. Links are not followed: a tree has none, and one could
    /// lead out of it.
    pub(crate) fn open(
        folder: &OwnedFd,
        root: &Path,
        manifest: &ReleaseManifest,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let mut files = BTreeMap::new();
        for artifact in &manifest.artifacts {
            let relative = artifact.path.relative();
            let path = root.join(&relative);
            match openat(folder, &relative, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
                Ok(file) => files.insert(artifact.sha256, Arc::new((File::from(file), path))),
                Err(error) => return Err((path, error.into())),
            };
        }
        Ok(Self(files))
    }

    /// These, and those of `digests` that only `older` has.
    pub(crate) fn with(mut self, older: &Self, digests: impl Iterator<Item = Sha256Digest>) -> Self {
        for digest in digests {
            if let Some(file) = older.0.get(&digest) {
                self.0.entry(digest).or_insert_with(|| Arc::clone(file));
            }
        }
        self
    }
}

impl Source {
    /// Brings a blob, on a thread that may wait for disks. The result is in the filler's blob, the metrics and the log.
    pub(crate) fn fill(&self, filler: Filler, metrics: Arc<Metrics>) {
        let Self::Tree(files) = self;
        let file = files.0.get(&filler.digest()).cloned();
        tokio::task::spawn_blocking(move || {
            let Some(file) = file else {
                let (digest, reason) = (filler.digest(), "its release is gone".to_owned());
                return report(Path::new("-"), &Err(filler.fail(BlobFault::Read { digest, reason })), &metrics);
            };
            report(&file.1, &copy(&file.0, filler), &metrics);
        });
    }
}

/// Asks for one byte more than there should be, so that a file that grew is found out.
fn copy(file: &File, mut filler: Filler) -> Result<(), BlobFault> {
    let (digest, expected) = (filler.digest(), filler.size());
    loop {
        let missing = filler.missing();
        let offset = expected - missing;
        let mut piece = vec![0; usize::try_from(missing.clamp(1, PIECE as u64)).expect("at most a piece")];
        let got = match read_full_at(file, &mut piece, offset) {
            Ok(got) => got,
            Err(error) => return Err(filler.fail(BlobFault::Read { digest, reason: error.to_string() })),
        };
        if missing == 0 && got == 0 {
            return filler.finish();
        }
        if missing == 0 || got < piece.len() {
            return Err(filler.fail(BlobFault::Size { digest, expected, found: offset + got as u64 }));
        }
        filler.add(Bytes::from(piece));
    }
}

/// Fills `buffer`, unless the file ends before.
fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn report(place: &Path, result: &Result<(), BlobFault>, metrics: &Metrics) {
    let place = place.display();
    match result {
        Ok(()) => {
            metrics.filled(Fill::Verified);
            info!(%place, "blob verified");
        }
        Err(fault @ (BlobFault::Read { .. } | BlobFault::Abandoned { .. })) => {
            metrics.filled(Fill::Unreadable);
            error!(%place, %fault, "blob cannot be read");
        }
        Err(fault) => {
            metrics.filled(Fill::Corrupt);
            error!(%place, %fault, "blob refused: its bytes are not those of the release");
        }
    }
}
