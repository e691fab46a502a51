//! Sends clients to the store itself, by URLs that it signed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use artifact::Sha256Digest;
use http::{HeaderValue, Response, StatusCode, header};
use release_store::Store;
use tokio::time::timeout;
use tracing::error;

use super::{metrics::Metrics, refusal::text};
use crate::blob::Body;

/// So many packages are remembered before all are forgotten.
const REMEMBERED: usize = 1024;
/// How long a URL is given out again. One that was signed with credentials that end soon ends with them, and clients of clouds renew theirs
/// when five minutes are left.
const AGAIN: Duration = Duration::from_mins(2);
/// How long nothing is signed for a package after that failed.
const FAULT_PAUSE: Duration = Duration::from_secs(5);
/// Some clouds sign by a request of their own. A client does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Signs once for all who ask at the same time.
#[derive(Debug)]
pub(crate) struct Redirector {
    store: Store,
    valid: Duration,
    signed: Mutex<HashMap<Sha256Digest, Arc<Cell>>>,
}

/// What became of the last time, and when; nothing before the first.
type Cell = tokio::sync::Mutex<Option<(Option<HeaderValue>, Instant)>>;

impl Redirector {
    /// URLs can be used for `valid`.
    #[must_use]
    pub(crate) fn new(store: Store, valid: Duration) -> Self {
        Self { store, valid, signed: Mutex::default() }
    }

    /// 307 to where the blob is. Nothing if the store cannot sign now: then the blob is served from here.
    pub(crate) async fn lead(&self, digest: Sha256Digest, metrics: &Metrics) -> Option<Response<Body>> {
        let cell = self.cell(digest);
        let mut last = cell.lock().await;
        let known = last.as_ref().filter(|(location, when)| {
            when.elapsed() < if location.is_some() { AGAIN.min(self.valid / 2) } else { FAULT_PAUSE }
        });
        let location = if let Some((location, _)) = known {
            location.clone()
        } else {
            let signed = timeout(PATIENCE, self.sign(digest)).await;
            let signed = signed.unwrap_or_else(|_| Err("the store does not answer".to_owned()));
            if let Err(reason) = &signed {
                metrics.redirects_failed.inc();
                error!(%digest, reason, "no URL is signed; the package is served from here");
            }
            let location = signed.ok();
            *last = Some((location.clone(), Instant::now()));
            location
        };
        let mut response = text(StatusCode::TEMPORARY_REDIRECT, "see the store\n");
        response.headers_mut().insert(header::LOCATION, location?);
        Some(response)
    }

    fn cell(&self, digest: Sha256Digest) -> Arc<Cell> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if signed.len() >= REMEMBERED {
            signed.clear();
        }
        Arc::clone(signed.entry(digest).or_default())
    }

    async fn sign(&self, digest: Sha256Digest) -> Result<HeaderValue, String> {
        let url = self.store.signed_url(digest, self.valid).await.ok_or("the store has no signed URLs")?;
        let url = url.map_err(|error| super::source::chain(&error))?;
        HeaderValue::try_from(url).map_err(|error| error.to_string())
    }
}
