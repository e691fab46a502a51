//! What a running publish relies on, written down where garbage collection looks.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use artifact::{ReleaseTime, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::{
    Blob, PublishId, Store, StoreError,
    backend::{Path, Put, Small},
};

/// No publish takes longer. A lease that is older was left by a writer that was killed.
pub(crate) const LONGEST_PUBLISH: Duration = Duration::from_hours(24);

/// Tens of thousands of digests. It bounds memory.
const MAX_LEASE: u64 = 8 << 20;

/// `leases/<publish id>.json`
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    schema: u32,
    created: ReleaseTime,
    blobs: BTreeSet<Sha256Digest>,
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
    /// Tells garbage collection that `blobs` are about to be used. To be done before looking whether they are there.
    pub(crate) async fn take_lease(&self, id: PublishId, blobs: &[Blob]) -> Result<(), StoreError> {
        let lease = Lease { schema: 1, created: now(), blobs: blobs.iter().map(|blob| blob.digest).collect() };
        let json = serde_json::to_vec_pretty(&lease).expect("plain data is always JSON");
        self.backend().put(&self.layout().lease(id), vec![json.into()], Put::Overwrite).await
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
            // One that just ended is none. One that cannot be read could protect anything, but then its publish is
            // of a version that is not this one; it finds what is missing after its commit.
            if let Some(Small::Content(json)) = self.backend().read(&path, MAX_LEASE).await?
                && let Ok(lease) = serde_json::from_slice::<Lease>(&json)
            {
                leases.blobs.extend(lease.blobs);
            }
        }
        Ok(leases)
    }
}
