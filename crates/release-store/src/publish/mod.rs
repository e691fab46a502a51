//! From a dist tree to a generation: blobs first, then the one object whose creation is the commit.
//!
//! Killed anywhere, it leaves the store as it was, or done. What can be left behind are blobs that nothing names, a lease
//! and, on a local store, unfinished files; all three are found by garbage collection.

mod commit;
mod conflict;
mod error;
mod upload;

use std::{num::NonZeroUsize, path::Path, sync::Arc};

pub(crate) use self::commit::{Commit, Draft};
pub use self::error::{CommitError, Conflict, PublishError};
use self::upload::Upload;
use crate::{
    Action, Blob, BlobProblem, GenerationNumber, PublishId, Store, Writers,
    generation::blobs_of,
    layout::Layout,
    lease::{Holder, LONGEST_PUBLISH, now},
    tree::Survey,
};

/// How a tree is published.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// Whether others may publish at the same time.
    pub writers: Writers,
    /// What happens when a version that was published comes with other bytes.
    pub conflicts: Conflicts,
    /// How far blobs are trusted that the store has already.
    pub existing: Existing,
    /// How many files are read at once.
    pub jobs: NonZeroUsize,
}

impl Default for PublishOptions {
    fn default() -> Self {
        Self {
            writers: Writers::default(),
            conflicts: Conflicts::default(),
            existing: Existing::default(),
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// The same component, version, architecture, format and revision, with other bytes than a kept generation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflicts {
    /// Is an error: VMs that have the one would never get the other.
    #[default]
    Refuse,
    /// Is wanted.
    Allow,
}

/// Blobs that the store has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Need the right size.
    #[default]
    CheckSize,
    /// Are read and hashed.
    Rehash,
}

/// Follows a publish.
pub trait Progress: Send + Sync {
    /// So many bytes of packages will be read.
    fn begin(&self, bytes: u64);
    /// So many more were read and, if needed, are in the store.
    fn advance(&self, bytes: u64);
}

/// Nobody looks.
impl Progress for () {
    fn begin(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// What a publish did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The generation that serves the tree.
    pub generation: GenerationNumber,
    /// Whether there is a new one.
    pub outcome: Outcome,
    /// Distinct packages that were not in the store, or damaged there.
    pub uploaded: Transfer,
    /// Distinct packages that were there.
    pub reused: Transfer,
}

/// Whether there is a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was created.
    Committed,
    /// The newest one has this very content already.
    Unchanged,
}

/// A number of blobs, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transfer {
    /// How many.
    pub blobs: usize,
    /// Of all of them.
    pub bytes: u64,
}

impl Transfer {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.blobs += 1;
        self.bytes += bytes;
    }
}

/// How often a garbage collection may take away what was just put there.
const ATTEMPTS_TO_COMPLETE: usize = 5;

impl Store {
    /// Publishes the tree in `dir`, which must be exactly what its manifest says.
    ///
    /// Not cancel safe in the sense that dropping it leaves no lease; it is safe in the sense that killing it is.
    pub async fn publish(
        &self,
        dir: &Path,
        options: &PublishOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Published, PublishError> {
        let surveyed = dir.to_owned();
        let Survey { mut manifest, faults, .. } =
            tokio::task::spawn_blocking(move || Survey::of(&surveyed)).await.expect("it does not panic")?;
        if !faults.is_empty() {
            return Err(PublishError::Tree { dir: dir.to_owned(), faults });
        }
        manifest.artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        let blobs = blobs_of(&manifest).map_err(|source| PublishError::Manifest { dir: dir.to_owned(), source })?;

        let create = self.create_for(options.writers).await?;
        // What cannot be removed now is in nobody's way.
        let _ = self.sweep();
        let id = PublishId::random();
        // Before anything is looked at that garbage collection could take away.
        self.take_lease(id, Holder::Publish, blobs.iter().map(|blob| blob.digest)).await?;
        let upload = Upload {
            store: self,
            dir,
            manifest: &manifest,
            existing: options.existing,
            jobs: options.jobs,
            progress,
            create,
        };
        let published = self.publish_leased(&upload, &blobs, id, options.conflicts).await;
        self.end_lease(id).await;
        published
    }

    async fn publish_leased(
        &self,
        upload: &Upload<'_>,
        blobs: &[Blob],
        id: PublishId,
        conflicts: Conflicts,
    ) -> Result<Published, PublishError> {
        self.await_collections(id, blobs).await?;
        if conflicts == Conflicts::Refuse {
            self.refuse_conflicts(upload.manifest).await?;
        }
        let (uploaded, reused) = upload.all().await?;
        let draft = Draft { id, created: now(), action: Action::Publish, manifest: upload.manifest, conflicts };
        let Commit { number, outcome } = self.commit(&draft, upload.create).await?;
        for _ in 0..ATTEMPTS_TO_COMPLETE {
            let problems = self.problems(blobs).await?;
            if problems.is_empty() {
                return Ok(Published { generation: number, outcome, uploaded, reused });
            }
            let lost: Vec<_> = problems.iter().map(BlobProblem::digest).collect();
            upload.some(&lost).await?;
        }
        Err(PublishError::KeepsLosing { store: self.url().clone(), number })
    }

    /// Removes what killed writers left on a local store.
    pub(crate) fn sweep(&self) -> std::io::Result<usize> {
        self.backend().local().map_or(Ok(0), |local| local.sweep(&Layout::folders(), LONGEST_PUBLISH))
    }
}
