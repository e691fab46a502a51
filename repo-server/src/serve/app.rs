//! What all connections share.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use artifact::Sha256Digest;
use tokio::runtime::Handle;

use super::{
    access_log::AccessLog,
    client::Proxies,
    metrics::{Metrics, Transport},
    source::Source,
    sticky::Sticky,
};
use crate::{
    blob::{BlobCache, Found, Need, Resident},
    catalog::{Catalog, Release},
};

/// So many downloads are remembered, about 100 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("not zero");

/// A catalog with the place that its blobs come from.
#[derive(Debug)]
pub(crate) struct Served {
    /// What can be asked for.
    pub(crate) catalog: Catalog,
    /// Where it is.
    pub(crate) source: Source,
}

/// The state of a server.
#[derive(Debug)]
pub(crate) struct App {
    served: ArcSwapOption<Served>,
    blobs: BlobCache,
    /// Who got what.
    pub(crate) sticky: Sticky,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// One line for each answer.
    pub(crate) access_log: AccessLog,
    /// Whose word about clients counts.
    pub(crate) proxies: Proxies,
    /// Where blobs are brought: it ends after all threads that serve.
    background: Handle,
    ending: AtomicBool,
}

/// Why a package cannot be served now.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// It cannot be had; the log says why.
    Fault,
    /// There is no memory for it.
    Full,
}

impl App {
    /// Nothing is served yet. `memory` in bytes.
    #[must_use]
    pub(crate) fn new(
        memory: u64,
        pair_window: Duration,
        access_log: AccessLog,
        proxies: Proxies,
        background: Handle,
        transport: Transport,
    ) -> Self {
        Self {
            served: ArcSwapOption::empty(),
            blobs: BlobCache::new(memory),
            sticky: Sticky::new(pair_window, REMEMBERED),
            metrics: Arc::new(Metrics::new(transport, access_log.dropped.clone())),
            access_log,
            proxies,
            background,
            ending: AtomicBool::new(false),
        }
    }

    /// What is served now; nothing until a release was loaded.
    pub(crate) fn served(&self) -> arc_swap::Guard<Option<Arc<Served>>> {
        self.served.load()
    }

    /// From now on, requests are answered from `served`; those that are being answered go on as they began.
    pub(crate) fn switch(&self, served: Served) {
        self.metrics.switched(served.catalog.current());
        self.served.store(Some(Arc::new(served)));
    }

    /// The earlier releases are these. It is no switch: the current release is what it was.
    pub(crate) fn keep_earlier(&self, earlier: Vec<Arc<Release>>) {
        let Some(served) = &*self.served() else { return };
        if !served.catalog.releases()[1..]
            .iter()
            .map(|release| &release.id)
            .eq(earlier.iter().map(|release| &release.id))
        {
            let (catalog, source) = (served.catalog.with_earlier(earlier), served.source.clone());
            self.served.store(Some(Arc::new(Served { catalog, source })));
        }
    }

    /// A blob in memory or on its way there.
    pub(crate) fn blob(
        &self,
        served: &Served,
        digest: Sha256Digest,
        size: u64,
        need: Need,
    ) -> Result<Arc<Resident>, Unavailable> {
        match self.blobs.get(digest, size, need) {
            Found::Here(blob) => Ok(blob),
            Found::Begun(blob, filler) => {
                served.source.fill(filler, Arc::clone(&self.metrics), &self.background);
                Ok(blob)
            }
            Found::Broken(_) => Err(Unavailable::Fault),
            Found::Full => Err(Unavailable::Full),
        }
    }

    /// Gives back memory that nobody needs any more.
    pub(crate) fn trim(&self) {
        self.blobs.trim();
    }

    /// From now on, nobody should be sent here.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// The counters as text.
    #[must_use]
    pub(crate) fn render_metrics(&self) -> String {
        self.metrics.render(self.blobs.resident_bytes())
    }
}
