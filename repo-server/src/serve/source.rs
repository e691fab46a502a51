//! Where blobs come from, and how they are brought into memory.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use artifact::{ReleaseManifest, Sha256Digest};
use futures_util::StreamExt;
use release_store::{Blob, BlobBody, ByteStream, Store};
use rustix::fs::{Mode, OFlags, openat};
use tokio::{runtime::Handle, time::timeout};
use tracing::{error, info};

use super::{
    disk_cache::{Cached, DiskCache},
    metrics::{DiskUse, Fill, Metrics},
    redirect::Redirector,
};
use crate::blob::{BlobFault, Filler, PIECE, Resident};

/// How long a look into the cache on disk may take.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

/// A place that blobs are read from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The packages of dist trees.
    Tree(TreeFiles),
    /// The blobs of a release store.
    Store(StoreSource),
}

/// A release store with what stands in front of it; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct StoreSource {
    /// The store.
    pub(crate) store: Store,
    /// Where its blobs are kept, if it is far away.
    pub(crate) cache: Option<Arc<DiskCache>>,
    /// Leads clients to it.
    pub(crate) redirector: Option<Arc<Redirector>>,
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
    /// Brings a blob. The result is in the filler's blob, the metrics and the log.
    ///
    /// The work is `background`'s: the thread that asked may end before others have read what it began.
    pub(crate) fn fill(&self, filler: Filler, metrics: Arc<Metrics>, background: &Handle) {
        let blob = Blob { digest: filler.digest(), size: filler.size() };
        match self {
            Self::Tree(files) => {
                let file = files.0.get(&blob.digest).cloned();
                background.spawn_blocking(move || {
                    let Some(file) = file else {
                        return report("a dist tree", &Err(unreadable(filler, "its release is gone")), &metrics);
                    };
                    report(&file.1.display().to_string(), &copy(&file.0, filler), &metrics);
                });
            }
            Self::Store(source) => {
                background.spawn(source.clone().bring(blob, filler, metrics));
            }
        }
    }

    /// Who leads clients to the store, if they are to go there.
    pub(crate) fn redirector(&self) -> Option<&Redirector> {
        match self {
            Self::Tree(_) => None,
            Self::Store(source) => source.redirector.as_deref(),
        }
    }
}

impl StoreSource {
    async fn bring(self, blob: Blob, filler: Filler, metrics: Arc<Metrics>) {
        let mut place = self.store.url().to_string();
        let resident = filler.blob();
        let result = match self.cached(blob, &metrics).await {
            Some(file) => {
                "the disk cache".clone_into(&mut place);
                copy_aside(file, filler).await
            }
            None => match self.store.open_blob(blob, None).await {
                Err(error) => Err(unreadable(filler, &chain(&error))),
                Ok(BlobBody::File(file)) => copy_aside(file, filler).await,
                Ok(BlobBody::Stream(stream)) => {
                    let result = receive(stream, filler).await;
                    if result.is_ok() {
                        self.keep(blob, resident, &metrics);
                    }
                    result
                }
            },
        };
        report(&place, &result, &metrics);
    }

    /// The file of a blob that is kept. A disk that does not answer is as good as none.
    async fn cached(&self, blob: Blob, metrics: &Metrics) -> Option<File> {
        let cache = Arc::clone(self.cache.as_ref()?);
        let found = timeout(DISK_PATIENCE, tokio::task::spawn_blocking(move || cache.get(blob))).await;
        let (used, file) = match found {
            Ok(Ok(Cached::Hit(file))) => (DiskUse::Hit, Some(file)),
            Ok(Ok(Cached::Corrupt)) => (DiskUse::Corrupt, None),
            Ok(Ok(Cached::Miss) | Err(_)) | Err(_) => (DiskUse::Miss, None),
        };
        metrics.disk(used);
        file
    }

    /// Nobody waits for it. What finds others being written comes the next time that it is fetched.
    fn keep(&self, blob: Blob, resident: Arc<Resident>, metrics: &Arc<Metrics>) {
        let Some(cache) = self.cache.clone() else { return };
        let metrics = Arc::clone(metrics);
        tokio::task::spawn_blocking(move || {
            if cache.put(blob, &resident.bytes().unwrap_or_default()).is_err() {
                metrics.disk(DiskUse::WriteFailed);
            }
        });
    }
}

/// A file is read on a thread that may wait for disks.
async fn copy_aside(file: File, filler: Filler) -> Result<(), BlobFault> {
    let digest = filler.digest();
    let task = tokio::task::spawn_blocking(move || copy(&file, filler));
    task.await.unwrap_or(Err(BlobFault::Abandoned { digest }))
}

fn unreadable(filler: Filler, reason: &str) -> BlobFault {
    let digest = filler.digest();
    filler.fail(BlobFault::Read { digest, reason: reason.to_owned() })
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn receive(mut stream: ByteStream, mut filler: Filler) -> Result<(), BlobFault> {
    let (digest, expected) = (filler.digest(), filler.size());
    let mut received = 0;
    while let Some(bytes) = stream.next().await {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return Err(unreadable(filler, &chain(&error))),
        };
        received += bytes.len() as u64;
        if received > expected {
            return Err(filler.fail(BlobFault::Size { digest, expected, found: received }));
        }
        if let Err(error) = filler.add(&bytes) {
            return Err(unreadable(filler, &error.to_string()));
        }
    }
    filler.finish()
}

/// Asks for one byte more than there should be, so that a file that grew is found out.
fn copy(file: &File, mut filler: Filler) -> Result<(), BlobFault> {
    let (digest, expected) = (filler.digest(), filler.size());
    let mut buffer = vec![0; PIECE];
    loop {
        let missing = filler.missing();
        let offset = expected - missing;
        let piece = &mut buffer[..usize::try_from(missing.clamp(1, PIECE as u64)).expect("at most a piece")];
        let got = match read_full_at(file, piece, offset) {
            Ok(got) => got,
            Err(error) => return Err(unreadable(filler, &error.to_string())),
        };
        if missing == 0 && got == 0 {
            return filler.finish();
        }
        if missing == 0 || got < piece.len() {
            return Err(filler.fail(BlobFault::Size { digest, expected, found: offset + got as u64 }));
        }
        if let Err(error) = filler.add(piece) {
            return Err(unreadable(filler, &error.to_string()));
        }
    }
}

/// Fills `buffer`, unless the file ends before.
pub(crate) fn read_full_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
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

fn report(place: &str, result: &Result<(), BlobFault>, metrics: &Metrics) {
    match result {
        Ok(()) => {
            metrics.filled(Fill::Verified);
            info!(place, "blob verified");
        }
        Err(fault @ (BlobFault::Read { .. } | BlobFault::Abandoned { .. })) => {
            metrics.filled(Fill::Unreadable);
            error!(place, %fault, "blob cannot be read");
        }
        Err(fault) => {
            metrics.filled(Fill::Corrupt);
            error!(place, %fault, "blob refused: its bytes are not those of the release");
        }
    }
}
