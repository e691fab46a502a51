//! Deletes what no kept generation needs, also while others publish.
//!
//! What a publish brings is young, and what it finds is named by its lease, which it takes before it looks. Generations
//! go before their blobs, so that a collection that is killed leaves no generation without them. Before each batch, what
//! is to be deleted is announced, and then generations and leases are read again: a publish that this does not find yet
//! finds the announcement, and waits.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use artifact::Sha256Digest;
use bytes::Bytes;
use serde::Serialize;

use crate::{
    GenerationNumber, PublishId, ReadError, Store, StoreError,
    backend::{Meta, Path, Put},
    lease::{Holder, LONGEST_BATCH, LONGEST_PUBLISH},
};

/// Never fewer: the current one, and the one that somebody is still downloading from.
const ALWAYS_KEPT: usize = 2;

/// Deleted between two looks at what is needed: small, because a publish may begin at any time.
const BATCH: usize = 20;

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// So many of the newest generations, and two at least.
    pub keep: NonZeroUsize,
    /// Nothing younger is deleted, by the store's clock.
    pub grace: Duration,
    /// Whether anything is deleted.
    pub mode: GcMode,
}

/// Whether garbage collection deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GcMode {
    /// It does.
    Delete,
    /// It says what it would delete.
    DryRun,
}

/// What was deleted, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Oldest first.
    pub generations: Vec<GenerationNumber>,
    /// Ordered by digest.
    pub blobs: Vec<Sha256Digest>,
    /// Of those blobs.
    pub bytes: u64,
    /// Blobs that stay.
    pub kept_blobs: usize,
    /// Leases and probes of writers that were killed.
    pub leftovers: usize,
    /// Unfinished files of writers that were killed, on a local store. A dry run does not look for them.
    pub unfinished: usize,
}

/// What must stay.
struct Needed {
    newest: Option<GenerationNumber>,
    blobs: BTreeSet<Sha256Digest>,
    stale_leases: Vec<Path>,
}

impl Store {
    /// Deletes old generations, then what nothing needs any more. A kept generation that cannot be read ends it: who
    /// knows what it needs.
    pub async fn gc(&self, options: &GcOptions) -> Result<GcReport, ReadError> {
        let now = self.store_time().await?;
        let grace = options.grace.as_secs().cast_signed();
        let is_old = |meta: &Meta| now.saturating_sub(meta.modified) >= grace;

        let doomed = self.doomed_generations(options.keep, is_old).await?;
        if options.mode == GcMode::Delete {
            // Oldest first: what is left is a history without gaps.
            for &number in &doomed {
                self.backend().delete(&self.layout().generation(number)).await?;
            }
        }
        let mut needed = self.needed(now, &doomed).await?;
        let mut report = GcReport {
            generations: doomed.clone(),
            blobs: Vec::new(),
            bytes: 0,
            kept_blobs: 0,
            leftovers: 0,
            unfinished: 0,
        };
        let mut unneeded = Vec::new();
        for (path, meta) in self.backend().list(&self.layout().blobs(), None).await? {
            match self.layout().blob_at(&path) {
                Some(digest) if !needed.blobs.contains(&digest) && is_old(&meta) => unneeded.push((digest, path)),
                Some(_) => report.kept_blobs += 1,
                // Not ours.
                None => {}
            }
        }
        unneeded.sort_unstable();
        for batch in unneeded.chunks(BATCH) {
            let id = PublishId::random();
            if options.mode == GcMode::Delete {
                self.take_lease(id, Holder::Collection, batch.iter().map(|(digest, _)| *digest)).await?;
            }
            let announced = Instant::now();
            let collected = async {
                needed = self.needed(now, &doomed).await?;
                for (digest, path) in batch {
                    // It may have been deleted and brought anew since it was listed.
                    let meta = self.backend().head(path).await?;
                    let in_time = announced.elapsed() < LONGEST_BATCH;
                    let spared = |meta: &Meta| needed.blobs.contains(digest) || !is_old(meta) || !in_time;
                    let Some(meta) = meta.filter(|meta| !spared(meta)) else {
                        report.kept_blobs += 1;
                        continue;
                    };
                    if options.mode == GcMode::Delete {
                        self.backend().delete(path).await?;
                    }
                    report.bytes += meta.size;
                    report.blobs.push(*digest);
                }
                Ok::<_, ReadError>(())
            };
            let collected = collected.await;
            if options.mode == GcMode::Delete {
                self.end_lease(id).await;
            }
            collected?;
        }
        self.clean_leftovers(now, needed.stale_leases, options.mode, &mut report).await?;
        Ok(report)
    }

    /// Oldest first.
    async fn doomed_generations(
        &self,
        keep: NonZeroUsize,
        is_old: impl Fn(&Meta) -> bool,
    ) -> Result<Vec<GenerationNumber>, StoreError> {
        let objects = self.backend().list(&self.layout().generations(), None).await?;
        let mut generations: Vec<_> = objects
            .iter()
            .filter_map(|(path, meta)| Some((self.layout().generation_at(path)?, is_old(meta))))
            .collect();
        generations.sort_unstable_by(|one, other| other.cmp(one));
        let mut doomed = generations.split_off(generations.len().min(keep.get().max(ALWAYS_KEPT)));
        doomed.reverse();
        // The first that is too young ends it, for the same reason as above.
        Ok(doomed.into_iter().take_while(|(_, old)| *old).map(|(number, _)| number).collect())
    }

    /// All that kept generations and running publishes need.
    async fn needed(&self, now: i64, doomed: &[GenerationNumber]) -> Result<Needed, ReadError> {
        // Leases first: one that ends between the two listings has become a generation.
        let leases = self.leases(now).await?;
        let numbers = self.generations().await?;
        let mut needed = Needed { newest: numbers.first().copied(), blobs: leases.blobs, stale_leases: leases.stale };
        for number in numbers.into_iter().filter(|number| !doomed.contains(number)) {
            match self.generation(number).await {
                Ok(generation) => needed.blobs.extend(generation.blobs().iter().map(|blob| blob.digest)),
                // Another collection took it; the newest ones it would not.
                Err(ReadError::Missing { .. }) if Some(number) != needed.newest => {}
                Err(error) => return Err(error),
            }
        }
        Ok(needed)
    }

    async fn clean_leftovers(
        &self,
        now: i64,
        mut leftovers: Vec<Path>,
        mode: GcMode,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        let longest = LONGEST_PUBLISH.as_secs().cast_signed();
        for (path, meta) in self.backend().list(&self.layout().probes(), None).await? {
            if now.saturating_sub(meta.modified) > longest {
                leftovers.push(path);
            }
        }
        report.leftovers = leftovers.len();
        if mode == GcMode::DryRun {
            return Ok(());
        }
        for path in leftovers {
            self.backend().delete(&path).await?;
        }
        // What cannot be removed now is found again next time.
        report.unfinished = self.sweep().unwrap_or_default();
        Ok(())
    }

    /// The store's own time, in seconds since the Unix epoch: this machine's clock may be wrong, and "old" is measured
    /// by the times that the store gives its objects.
    async fn store_time(&self) -> Result<i64, StoreError> {
        let path = self.layout().probe(PublishId::random());
        self.backend().put(&path, vec![Bytes::from_static(b"time")], Put::Overwrite).await?;
        let meta = self.backend().head(&path).await;
        let _ = self.backend().delete(&path).await;
        Ok(meta?.map_or_else(|| i64::from(crate::lease::now().unix()), |meta| meta.modified))
    }
}
