//! A release store, which any number of servers follow.

use std::{sync::Arc, time::Duration};

use release_store::{Generation, GenerationNumber, ReadError, Servable, Store};
use tracing::info;

use super::{FollowError, Follower};
use crate::{
    catalog::{Catalog, Release},
    serve::{
        app::{App, Served},
        source::{Source, StoreSource},
    },
};

/// How many earlier releases keep URIs of their own here.
const EARLIER: usize = 64;

/// Every so many looks, all releases are listed and not only those that are new.
const REVIEW: u32 = 5;

/// Follows the newest generation.
#[derive(Debug)]
pub(crate) struct StoreFollower {
    source: StoreSource,
    app: Arc<App>,
    current: Option<GenerationNumber>,
    looks: u32,
}

impl StoreFollower {
    /// Nothing is read yet.
    pub(crate) const fn new(source: StoreSource, app: Arc<App>) -> Self {
        Self { source, app, current: None, looks: 0 }
    }

    const fn store(&self) -> &Store {
        &self.source.store
    }

    async fn load(&self, number: GenerationNumber) -> Result<Servable, FollowError> {
        Ok(self.store().validate(self.store().generation(number).await?).await?)
    }

    /// The releases before `number` that the store still keeps, newest first; `kept` is in this order.
    async fn earlier(&self, kept: &[GenerationNumber], number: GenerationNumber) -> Vec<Arc<Release>> {
        let served = self.app.served();
        let mut earlier = Vec::new();
        for other in kept.iter().copied().filter(|other| *other < number).take(EARLIER) {
            let known = served.as_ref().and_then(|served| served.catalog.release(&other.to_string()));
            match known {
                Some(release) => earlier.push(Arc::clone(release)),
                // One that cannot be read does not hide the others.
                None => earlier.extend(self.store().generation(other).await.ok().map(|read| Arc::new(prepare(&read)))),
            }
        }
        earlier
    }

    async fn switch(&mut self, generation: &Generation) -> Result<(), FollowError> {
        let kept = self.store().generations().await?;
        let earlier = self.earlier(&kept, generation.number).await;
        let release = Arc::new(prepare(generation));
        info!(release = %release.id, version = release.manifest.version, store = %self.store().url(), "serving");
        let source = Source::Store(self.source.clone());
        self.app.switch(Served { catalog: Catalog::new(release, earlier), source });
        self.current = Some(generation.number);
        Ok(())
    }

    /// Whether the store still has what is served, and which earlier releases it has deleted since.
    async fn review(&self, current: GenerationNumber) -> Result<(), FollowError> {
        let kept = self.store().generations().await?;
        let newest = kept.first().copied();
        if newest.is_none_or(|newest| newest < current) {
            return Err(FollowError::WentBack { store: self.store().url().clone(), served: current, newest });
        }
        let earlier = self.earlier(&kept, current).await;
        self.app.keep_earlier(earlier);
        Ok(())
    }
}

fn prepare(generation: &Generation) -> Release {
    Release::new(generation.number.to_string().into(), generation.created, generation.manifest.clone())
}

impl Follower for StoreFollower {
    const INTERVAL: Duration = Duration::from_secs(2);

    async fn look(&mut self) -> Result<(), FollowError> {
        self.app.trim();
        let newest = match (self.store().latest(self.current).await?, self.current) {
            (Some(newest), _) => newest,
            (None, None) => return Err(ReadError::Empty { store: self.store().url().clone() }.into()),
            (None, Some(current)) => {
                self.looks += 1;
                return if self.looks.is_multiple_of(REVIEW) { self.review(current).await } else { Ok(()) };
            }
        };
        match (self.load(newest).await, self.current) {
            (Ok(generation), _) => self.switch(&generation).await,
            (Err(error), Some(_)) => Err(error),
            // Better an old release than none; the newest one is tried again.
            (Err(error), None) => {
                for number in self.store().generations().await?.into_iter().filter(|number| *number < newest) {
                    if let Ok(generation) = self.load(number).await {
                        self.switch(&generation).await?;
                        break;
                    }
                }
                Err(error)
            }
        }
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
