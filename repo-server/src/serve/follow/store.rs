//! A release store, which any number of servers follow.

use std::{sync::Arc, time::Duration};

use release_store::{Generation, GenerationNumber, ReadError, Store};
use tracing::info;

use super::{FollowError, Follower};
use crate::{
    catalog::{Catalog, Release},
    serve::{
        app::{App, Served},
        source::Source,
    },
};

/// How many earlier releases keep URIs of their own here.
const EARLIER: usize = 64;

/// Follows the newest generation.
#[derive(Debug)]
pub(crate) struct StoreFollower {
    store: Store,
    app: Arc<App>,
    current: Option<GenerationNumber>,
}

impl StoreFollower {
    /// Nothing is read yet.
    pub(crate) const fn new(store: Store, app: Arc<App>) -> Self {
        Self { store, app, current: None }
    }

    fn switch(&mut self, generation: &Generation, earlier: Vec<Arc<Release>>) {
        let release = Arc::new(prepare(generation));
        info!(release = %release.id, version = release.manifest.version, store = %self.store.url(), "serving");
        let source = Source::Store(self.store.clone());
        self.app.switch(Served { catalog: Catalog::new(release, earlier), source });
        self.current = Some(generation.number);
    }
}

fn prepare(generation: &Generation) -> Release {
    Release::new(generation.number.to_string().into(), generation.created, generation.manifest.clone())
}

impl Follower for StoreFollower {
    const INTERVAL: Duration = Duration::from_secs(2);

    async fn look(&mut self) -> Result<(), FollowError> {
        let Some(number) = self.store.latest(self.current).await? else {
            return match self.current {
                Some(_) => Ok(()),
                None => Err(ReadError::Empty { store: self.store.url().clone() }.into()),
            };
        };
        let generation = self.store.validate(self.store.generation(number).await?).await?;
        let earlier = if self.current.is_none() {
            let kept = self.store.releases().await?;
            let earlier = kept.iter().filter(|(other, _)| *other < number);
            earlier
                .filter_map(|(_, read)| read.as_ref().ok())
                .take(EARLIER)
                .map(|read| Arc::new(prepare(read)))
                .collect()
        } else {
            let served = self.app.served();
            let before = served.as_ref().map(|served| served.catalog.releases()).unwrap_or_default();
            before.iter().take(EARLIER).cloned().collect()
        };
        self.switch(&generation, earlier);
        Ok(())
    }

    fn app(&self) -> &App {
        &self.app
    }
}

/// Whether there is something to follow.
pub(crate) async fn check(store: &Store) -> Result<Generation, FollowError> {
    let newest = store.latest(None).await?.ok_or_else(|| ReadError::Empty { store: store.url().clone() })?;
    let generation = store.generation(newest).await?;
    Ok(store.validate(generation.clone()).await.map(|_| generation)?)
}
