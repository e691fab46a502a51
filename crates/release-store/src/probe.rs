//! Whether a store creates an object only once. Several real ones accept the condition and overwrite all the same.

use bytes::Bytes;
use futures_util::future::join_all;

use crate::{
    PublishId, Store, StoreError, StoreUrl,
    backend::{Answer, Path, Put},
};

/// Stores that check and write in two steps let about one writer in eight through.
const RACERS: usize = 8;

/// One race finds such a store four times out of five, with connections of its own machine. All of them rarely miss it.
const RACES: usize = 5;

/// Takes a moment to arrive, between what may be two steps.
const CONTENT: Bytes = Bytes::from_static(&[0; 16 << 10]);

/// How a store treats "create this only if it is not there".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    /// Exactly one writer wins.
    Once,
    /// The condition is ignored, or checked too early.
    Overwrites,
    /// The request is not understood.
    Unknown,
}

/// Who else writes to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writers {
    /// Anybody, at any time. The store must create objects only once.
    #[default]
    Many,
    /// Nobody: something outside sees to it. Then any store will do.
    Single,
}

/// A store cannot be written to safely.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two publishers could both believe that they won.
    #[error("{store} does not honour conditional writes: {reason}")]
    NotExclusive {
        /// Where.
        store: StoreUrl,
        /// What it did.
        reason: &'static str,
    },
}

impl ProbeError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::NotExclusive { .. } => Some(
                "use a store that does, or add --single-writer if nothing else ever publishes to it at the same time"
                    .to_owned(),
            ),
        }
    }
}

impl Store {
    /// How this store creates, probed once for each [`Store`]. With [`Writers::Many`], only [`Create::Once`] will do.
    pub(crate) async fn create_for(&self, writers: Writers) -> Result<Create, ProbeError> {
        let create = *self.create_cell().get_or_try_init(|| self.probe()).await?;
        let reason = match (create, writers) {
            (Create::Once, _) | (_, Writers::Single) => return Ok(create),
            (Create::Overwrites, Writers::Many) => "an object that was to be created once was overwritten",
            (Create::Unknown, Writers::Many) => "it refuses them as not implemented",
        };
        Err(ProbeError::NotExclusive { store: self.url().clone(), reason })
    }

    async fn probe(&self) -> Result<Create, StoreError> {
        // A folder has hard links, and memory a lock.
        if !self.backend().is_server() {
            return Ok(Create::Once);
        }
        let paths: Vec<_> = (0..RACES).map(|_| self.layout().probe(PublishId::random())).collect();
        let create = self.probe_at(&paths).await;
        // Whatever came of it; garbage collection finds what stays behind.
        join_all(paths.iter().map(|path| self.backend().delete(path))).await;
        create
    }

    async fn probe_at(&self, paths: &[Path]) -> Result<Create, StoreError> {
        for path in paths {
            match self.race(path).await? {
                Create::Once => {}
                other => return Ok(other),
            }
        }
        // After the race, when every store can know that it is there.
        match self.backend().put(&paths[0], vec![CONTENT], Put::Create).await {
            Ok(()) => Ok(Create::Overwrites),
            Err(error) if error.answer() == Answer::AlreadyExists => Ok(Create::Once),
            Err(error) => Err(error),
        }
    }

    async fn race(&self, path: &Path) -> Result<Create, StoreError> {
        let racers = (0..RACERS).map(|_| self.backend().put(path, vec![CONTENT], Put::Create));
        let mut winners = 0;
        for outcome in join_all(racers).await {
            match outcome {
                Ok(()) => winners += 1,
                Err(error) => match error.answer() {
                    Answer::AlreadyExists => {}
                    Answer::Unknown => return Ok(Create::Unknown),
                    _ => return Err(error),
                },
            }
        }
        // None is possible: the client repeats a request whose answer was lost, and is told that the object exists.
        Ok(if winners > 1 { Create::Overwrites } else { Create::Once })
    }
}
