//! Sends clients to the store itself, by URLs that it signed.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use artifact::Sha256Digest;
use http::{HeaderValue, Response, StatusCode, header};
use release_store::Store;
use tracing::error;

use super::{metrics::Metrics, refusal::text};
use crate::blob::Body;

/// So many URLs are remembered before old ones are looked for.
const REMEMBERED: usize = 1024;

/// Signs each URL once for half of its time: some clouds sign by a request of their own.
#[derive(Debug)]
pub(crate) struct Redirector {
    store: Store,
    valid: Duration,
    signed: Mutex<HashMap<Sha256Digest, (HeaderValue, Instant)>>,
}

impl Redirector {
    /// URLs can be used for `valid`.
    #[must_use]
    pub(crate) fn new(store: Store, valid: Duration) -> Self {
        Self { store, valid, signed: Mutex::default() }
    }

    /// 307 to where the blob is. Nothing if the store cannot sign now: then the blob is served from here.
    pub(crate) async fn lead(&self, digest: Sha256Digest, metrics: &Metrics) -> Option<Response<Body>> {
        let location = match self.remembered(digest) {
            Some(location) => location,
            None => match self.sign(digest).await {
                Ok(location) => location,
                Err(reason) => {
                    metrics.redirects_failed.inc();
                    error!(%digest, reason, "no URL is signed; the package is served from here");
                    return None;
                }
            },
        };
        let mut response = text(StatusCode::TEMPORARY_REDIRECT, "see the store\n");
        response.headers_mut().insert(header::LOCATION, location);
        Some(response)
    }

    fn remembered(&self, digest: Sha256Digest) -> Option<HeaderValue> {
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let (location, when) = signed.get(&digest)?;
        (when.elapsed() < self.valid / 2).then(|| location.clone())
    }

    async fn sign(&self, digest: Sha256Digest) -> Result<HeaderValue, String> {
        let when = Instant::now();
        let url = self.store.signed_url(digest, self.valid).await.ok_or("the store has no signed URLs")?;
        let url = url.map_err(|error| super::source::chain(&error))?;
        let location = HeaderValue::try_from(url).map_err(|error| error.to_string())?;
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if signed.len() >= REMEMBERED {
            signed.retain(|_, (_, when)| when.elapsed() < self.valid / 2);
        }
        signed.insert(digest, (location.clone(), when));
        Ok(location)
    }
}
