//! A release store, which any number of servers follow.

use std::{sync::Arc, time::Duration};

use release_store::{Generation, GenerationNumber, ReadError, Servable, Store};
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

    async fn load(&self, number: GenerationNumber) -> Result<Servable, FollowError> {
        Ok(self.store.validate(self.store.generation(number).await?).await?)
    }

    /// The releases before `number` that the store still keeps, newest first.
    async fn earlier(&self, number: GenerationNumber) -> Result<Vec<Arc<Release>>, FollowError> {
        let served = self.app.served();
        let mut earlier = Vec::new();
        let kept = self.store.generations().await?;
        for other in kept.into_iter().filter(|other| *other < number).take(EARLIER) {
            let known = served.as_ref().and_then(|served| served.catalog.release(&other.to_string()));
            match known {
                Some(release) => earlier.push(Arc::clone(release)),
                // One that cannot be read does not hide the others.
                None => earlier.extend(self.store.generation(other).await.ok().map(|read| Arc::new(prepare(&read)))),
            }
        }
        Ok(earlier)
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
        self.app.trim();
        let Some(newest) = self.store.latest(self.current).await? else {
            return match self.current {
                Some(_) => Ok(()),
                None => Err(ReadError::Empty { store: self.store.url().clone() }.into()),
            };
        };
        let found = self.load(newest).await;
        match (found, self.current) {
            (Ok(generation), _) => {
                let earlier = self.earlier(newest).await?;
                self.switch(&generation, earlier);
                Ok(())
            }
            (Err(error), Some(_)) => Err(error),
            // Better an old release than none; the newest one is tried again.
            (Err(error), None) => {
                for number in self.store.generations().await?.into_iter().filter(|number| *number < newest) {
                    if let Ok(generation) = self.load(number).await {
                        let earlier = self.earlier(number).await?;
                        self.switch(&generation, earlier);
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
