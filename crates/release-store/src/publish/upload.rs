use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read},
    num::NonZeroUsize,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use artifact::{Artifact, ReleaseManifest, Sha256Digest};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::{Existing, Progress, PublishError, Transfer};
use crate::{
    Blob, Store, StoreError,
    backend::{Answer, Copied, CopyError, LocalDir, Put},
    probe::Create,
    store::SMALL_REQUESTS,
    tree::{Fault, FaultKind},
};

/// Large enough that hashing is the bottleneck; also the pieces that a remote store's client sends.
const BUFFER: usize = 256 << 10;

/// Brings a tree's packages into a store. Each file is read once, and hashed on the way.
pub(super) struct Upload<'a> {
    pub(super) store: &'a Store,
    pub(super) dir: &'a Path,
    pub(super) manifest: &'a ReleaseManifest,
    pub(super) existing: Existing,
    pub(super) jobs: NonZeroUsize,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) create: Create,
}

/// What is to be done with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// The store has it; it is only compared with the manifest.
    Check,
    /// It is read and put into the store.
    Upload,
}

/// Why one file did not go through.
enum Failed {
    File(FaultKind),
    Store(StoreError),
}

impl Upload<'_> {
    /// All packages. Gives what was uploaded, and what was there.
    pub(super) async fn all(&self) -> Result<(Transfer, Transfer), PublishError> {
        self.progress.begin(self.manifest.artifacts.iter().map(|artifact| artifact.size).sum());
        let present = self.present().await?;
        let (mut uploaded, mut reused) = (Transfer::default(), Transfer::default());
        let mut seen = BTreeSet::new();
        let mut tasks = Vec::new();
        for artifact in &self.manifest.artifacts {
            let there = present[&artifact.sha256];
            // The same package stands at several paths; the first brings it in, and every one is compared.
            let first = seen.insert(artifact.sha256);
            if first {
                if there { &mut reused } else { &mut uploaded }.add(artifact.size);
            }
            tasks.push((artifact.clone(), if there || !first { Task::Check } else { Task::Upload }));
        }
        self.run(tasks).await?;
        Ok((uploaded, reused))
    }

    /// Again those with one of `digests`.
    pub(super) async fn some(&self, digests: &[Sha256Digest]) -> Result<(), PublishError> {
        let mut tasks = Vec::new();
        for digest in digests {
            let artifact = self.manifest.artifacts.iter().find(|artifact| artifact.sha256 == *digest);
            tasks.push((artifact.expect("digests are the manifest's").clone(), Task::Upload));
        }
        self.run(tasks).await
    }

    /// Which blobs the store has, as good as is asked for.
    async fn present(&self) -> Result<BTreeMap<Sha256Digest, bool>, StoreError> {
        let blobs = crate::generation::blobs_of(self.manifest).unwrap_or_default();
        let jobs = match self.existing {
            Existing::CheckSize => SMALL_REQUESTS,
            Existing::Rehash => self.jobs.get(),
        };
        let found: Vec<_> = stream::iter(blobs)
            .map(|blob| async move { self.is_present(blob).await.map(|present| (blob.digest, present)) })
            .buffered(jobs)
            .collect()
            .await;
        found.into_iter().collect()
    }

    async fn is_present(&self, blob: Blob) -> Result<bool, StoreError> {
        if self.store.problem(blob).await?.is_some() {
            return Ok(false);
        }
        match self.existing {
            Existing::CheckSize => Ok(true),
            Existing::Rehash => Ok(self.store.digest(blob).await? == Some(blob.digest)),
        }
    }

    async fn run(&self, tasks: Vec<(Artifact, Task)>) -> Result<(), PublishError> {
        let mut outcomes = stream::iter(tasks)
            .map(|(artifact, task)| async move {
                let outcome = self.one(&artifact, task).await;
                (artifact, outcome)
            })
            .buffer_unordered(self.jobs.get());
        let mut faults = Vec::new();
        while let Some((artifact, outcome)) = outcomes.next().await {
            match outcome {
                Ok(()) => {}
                Err(Failed::File(kind)) => faults.push(Fault { path: artifact.path.relative().into(), kind }),
                Err(Failed::Store(error)) => return Err(error.into()),
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        faults.sort_by(|one, other| one.path.cmp(&other.path));
        Err(PublishError::Tree { dir: self.dir.to_owned(), faults })
    }

    async fn one(&self, artifact: &Artifact, task: Task) -> Result<(), Failed> {
        let file = self.dir.join(artifact.path.relative());
        let blob = Blob { digest: artifact.sha256, size: artifact.size };
        let path = self.store.layout().blob(blob.digest);
        let progress = Arc::clone(&self.progress);
        if let (Task::Upload, Some(local)) = (task, self.store.backend().local()) {
            let (local, to) = (local.clone(), path.clone());
            let copied = blocking(move || copy(&local, &file, &to, blob, &*progress)).await;
            return match copied {
                Ok(Copied::Done) => Ok(()),
                Ok(Copied::Differs { size, digest }) => Err(Failed::File(compare(artifact, size, digest))),
                Err(CopyError::Source(error)) => Err(Failed::File(unreadable(&error))),
                Err(CopyError::Store(error)) => {
                    Err(Failed::Store(self.store.backend().error(CopyError::OPERATION, &path, error.into())))
                }
            };
        }
        let keep = task == Task::Upload;
        let (size, digest, content) = blocking(move || read(&file, blob.size, keep, &*progress))
            .await
            .map_err(|error| Failed::File(unreadable(&error)))?;
        if let Some(kind) = FaultKind::compare(artifact, size, digest) {
            return Err(Failed::File(kind));
        }
        match task {
            Task::Check => Ok(()),
            Task::Upload => self.put(blob, content).await.map_err(Failed::Store),
        }
    }

    /// Names are digests, and these bytes were just hashed: what is there can be left or replaced.
    async fn put(&self, blob: Blob, content: Vec<Bytes>) -> Result<(), StoreError> {
        let path = self.store.layout().blob(blob.digest);
        let put = match self.create {
            Create::Once => Put::Create,
            Create::Overwrites | Create::Unknown => Put::Overwrite,
        };
        match self.store.backend().put(&path, content.clone(), put).await {
            Err(error) if error.answer() == Answer::AlreadyExists => {}
            outcome => return outcome,
        }
        // Another publisher's, one's own, or damaged and the reason for this upload.
        if self.is_present(blob).await? {
            Ok(())
        } else {
            self.store.backend().put(&path, content, Put::Overwrite).await
        }
    }
}

fn compare(artifact: &Artifact, size: u64, digest: Sha256Digest) -> FaultKind {
    FaultKind::compare(artifact, size, digest).expect("it differs")
}

fn unreadable(error: &io::Error) -> FaultKind {
    FaultKind::Unreadable { reason: error.to_string() }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic and is not cancelled")
}

/// The survey found a file there; should it be a link by now, it is not followed.
fn open(path: &PathBuf) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn copy(
    local: &LocalDir,
    from: &PathBuf,
    to: &crate::backend::Path,
    blob: Blob,
    progress: &dyn Progress,
) -> Result<Copied, CopyError> {
    let mut source = open(from).map_err(CopyError::Source)?;
    local.copy_in(&mut source, to, (blob.size, blob.digest), &|bytes| progress.advance(bytes))
}

/// Reads and hashes a file, but not beyond the `expected` size; keeps its content if asked.
fn read(
    path: &PathBuf,
    expected: u64,
    keep: bool,
    progress: &dyn Progress,
) -> io::Result<(u64, Sha256Digest, Vec<Bytes>)> {
    let mut file = open(path)?.take(expected.saturating_add(1));
    let (mut size, mut hasher, mut content) = (0, Sha256::new(), Vec::new());
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, Sha256Digest::from_hasher(hasher), content)),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
                progress.advance(count as u64);
                if keep {
                    content.push(Bytes::copy_from_slice(&buffer[..count]));
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
