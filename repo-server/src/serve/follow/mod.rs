//! Keeps what is served in step with where releases come from.

mod store;
mod tree;

use std::{io, path::PathBuf, time::Duration};

use artifact::ManifestError;
use release_store::{ConnectError, GenerationNumber, ReadError, StoreError, StoreUrl, ValidateError};
use tracing::error;

pub(crate) use store::{StoreFollower, check as check_store};
pub(crate) use tree::{TreeFollower, check as check_tree};

use super::app::App;

/// A release that cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    /// There is nothing to go by.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program knows.
    #[error("cannot use {}", path.display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The store's URL and options do not fit.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A generation cannot be read, or there is none.
    #[error(transparent)]
    Generation(#[from] ReadError),
    /// A generation lacks blobs.
    #[error(transparent)]
    Incomplete(#[from] ValidateError),
    /// Numbers only grow, so this store was restored, or is another one.
    #[error("{store} ends at {}, before release {served} that is served", newest.map_or("nothing".to_owned(), |newest| format!("release {newest}")))]
    WentBack {
        /// Where.
        store: StoreUrl,
        /// What was loaded from it before.
        served: GenerationNumber,
        /// The newest that it has now.
        newest: Option<GenerationNumber>,
    },
}

impl FollowError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => Some("was this tree made by `cargo xtask dist`?".to_owned()),
            Self::Manifest { .. } => Some("use the repo-server of the version that made the tree".to_owned()),
            Self::Connect(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Generation(error) => error.hint(),
            Self::Incomplete(error) => error.hint(),
            Self::WentBack { .. } => Some("restart repo-server to serve what the store has now".to_owned()),
        }
    }
}

/// One way to find new releases.
pub(crate) trait Follower: Send + 'static {
    /// Between two looks.
    const INTERVAL: Duration;

    /// Serves what is newest, if it is not served already.
    fn look(&mut self) -> impl Future<Output = Result<(), FollowError>> + Send;

    /// Whom the releases are for.
    fn app(&self) -> &App;
}

/// Looks again and again. Whatever goes wrong, what is served stays; it is said once for each kind of trouble.
pub(crate) async fn follow<F: Follower>(mut follower: F) {
    let mut last = None;
    loop {
        match follower.look().await {
            Ok(()) => last = None,
            Err(error) => {
                follower.app().metrics.load_failures.inc();
                let text = error.to_string();
                if last.as_ref() != Some(&text) {
                    let hint = error.hint().unwrap_or_default();
                    error!(error = &error as &dyn std::error::Error, hint, "no new release is served");
                }
                last = Some(text);
            }
        }
        tokio::time::sleep(F::INTERVAL).await;
    }
}
