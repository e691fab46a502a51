//! What a running publish relies on, and what a running collection is about to delete, each written down where the
//! other looks.
//!
//! A publish writes its lease and then reads all; so does a collection, for each batch. Whichever comes second sees the
//! first: a collection spares what a publish named, and a publish waits for a collection that names what it needs.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use artifact::{ReleaseTime, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::{
    Blob, PublishId, Store, StoreError,
    backend::{Path, Put, Small},
};

/// No publish takes longer. A lease that is older was left by a writer that was killed.
pub(crate) const LONGEST_PUBLISH: Duration = Duration::from_hours(24);

/// A collection begins no deletion that it announced longer ago.
pub(crate) const LONGEST_BATCH: Duration = Duration::from_mins(1);

/// An announcement that is older was left by a collection that was killed: its last deletion has ended as well.
const DEAD_COLLECTION: Duration = Duration::from_mins(5);

/// How often a publish looks whether a collection has ended.
const POLL: Duration = Duration::from_millis(50);

/// Tens of thousands of digests. It bounds memory.
const MAX_LEASE: u64 = 8 << 20;

/// `leases/<publish id>.json`
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    schema: u32,
    created: ReleaseTime,
    holder: Holder,
    blobs: BTreeSet<Sha256Digest>,
}

/// Who wrote a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Holder {
    /// Needs its blobs.
    Publish,
    /// Is about to delete its blobs.
    Collection,
}

/// All leases that count.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// Nothing of this may be deleted.
    pub(crate) blobs: BTreeSet<Sha256Digest>,
    /// Left by killed writers.
    pub(crate) stale: Vec<Path>,
}

/// This machine's time.
pub(crate) fn now() -> ReleaseTime {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ReleaseTime::from_unix(u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX))
}

impl Store {
    /// Says what a publish is about to use, before it looks what is there, or a collection to delete, before it looks what
    /// is needed.
    pub(crate) async fn take_lease(
        &self,
        id: PublishId,
        holder: Holder,
        blobs: impl IntoIterator<Item = Sha256Digest>,
    ) -> Result<(), StoreError> {
        let lease = Lease { schema: 1, created: now(), holder, blobs: blobs.into_iter().collect() };
        let json = serde_json::to_vec_pretty(&lease).expect("plain data is always JSON");
        self.backend().put(&self.layout().lease(id), vec![json.into()], Put::Overwrite).await
    }

    /// Waits, under the lease `id`, for collections that had begun before it was taken and name one of `blobs`.
    pub(crate) async fn await_collections(&self, id: PublishId, blobs: &[Blob]) -> Result<(), StoreError> {
        let (start, own) = (Instant::now(), self.layout().lease(id));
        let needed: BTreeSet<_> = blobs.iter().map(|blob| blob.digest).collect();
        loop {
            let listed = self.backend().list(&self.layout().leases(), None).await?;
            // Just written, so of the store's present.
            let began = listed.iter().find(|(path, _)| *path == own).map(|(_, meta)| meta.modified);
            let mut runs = false;
            for (path, meta) in listed {
                let age = began.map_or(0, |began| began.saturating_sub(meta.modified)).max(0).unsigned_abs();
                let dead = Duration::from_secs(age) + start.elapsed() > DEAD_COLLECTION;
                if !dead
                    && let Some(lease) = self.lease(&path).await?
                    && lease.holder == Holder::Collection
                {
                    runs |= !lease.blobs.is_disjoint(&needed);
                }
            }
            if !runs {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// One that just ended is none, and neither is one of another version; its publish finds what is missing after its
    /// commit.
    async fn lease(&self, path: &Path) -> Result<Option<Lease>, StoreError> {
        Ok(match self.backend().read(path, MAX_LEASE).await? {
            Some(Small::Content(json)) => serde_json::from_slice(&json).ok(),
            Some(Small::TooLarge) | None => None,
        })
    }

    /// One that cannot be deleted now is found stale later.
    pub(crate) async fn end_lease(&self, id: PublishId) {
        let _ = self.backend().delete(&self.layout().lease(id)).await;
    }

    /// Reads all leases. `now` is by the store's clock, in seconds since the Unix epoch.
    pub(crate) async fn leases(&self, now: i64) -> Result<Leases, StoreError> {
        let mut leases = Leases::default();
        for (path, meta) in self.backend().list(&self.layout().leases(), None).await? {
            if now.saturating_sub(meta.modified) > LONGEST_PUBLISH.as_secs().cast_signed() {
                leases.stale.push(path);
                continue;
            }
            if let Some(lease) = self.lease(&path).await?
                && lease.holder == Holder::Publish
            {
                leases.blobs.extend(lease.blobs);
            }
        }
        Ok(leases)
    }
}
