use std::{ops::Deref, sync::Arc};

use artifact::Sha256Digest;
use futures_util::{StreamExt, future::ready, stream};
use tokio::sync::OnceCell;

use crate::{
    Access, Blob, ConnectError, Generation, GenerationError, GenerationNumber, StoreError, StoreOptions, StoreUrl,
    backend::{Answer, Backend, Small},
    layout::Layout,
    probe::Create,
};

/// Tens of thousands of packages. It bounds memory.
const MAX_GENERATION: u64 = 64 << 20;

/// A number and a new line.
const MAX_HEAD: u64 = 32;

/// Requests that run at once where there are many small ones: enough to hide a distant store's latency.
pub(crate) const SMALL_REQUESTS: usize = 16;

/// Releases in an object store. Cheap to clone; needs a tokio runtime with timers, and I/O unless the store is local.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Arc<Backend>,
    layout: Layout,
    /// What the probe of the store's conditional puts found.
    create: OnceCell<Create>,
}

/// A generation cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none of that number, or none any more.
    #[error("{store} has no generation {number}")]
    Missing {
        /// Where.
        store: StoreUrl,
        /// As asked for.
        number: GenerationNumber,
    },
    /// It is there and unusable.
    #[error("cannot use generation {number} of {store}")]
    Generation {
        /// Where.
        store: StoreUrl,
        /// As asked for.
        number: GenerationNumber,
        /// What is wrong with it.
        source: GenerationError,
    },
    /// Nothing was ever published.
    #[error("{store} has no release")]
    Empty {
        /// Where.
        store: StoreUrl,
    },
}

impl ReadError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Missing { store, .. } => Some(format!("repo-server releases --store {store} lists what there is")),
            Self::Generation { source: GenerationError::Schema { .. } | GenerationError::Manifest(_), .. } => {
                Some("use the version that published it".to_owned())
            }
            Self::Generation { store, .. } => {
                Some(format!("repo-server verify --store {store} tells all that is damaged"))
            }
            Self::Empty { store } => Some(format!("publish one: cargo xtask publish --store {store}")),
        }
    }
}

/// A blob that a generation needs and does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobProblem {
    /// It is not there.
    #[error("blob {} is missing", .0.digest)]
    Missing(Blob),
    /// It is another one.
    #[error("blob {} has {found} bytes instead of {}", blob.digest, blob.size)]
    WrongSize {
        /// As the generation names it.
        blob: Blob,
        /// In bytes.
        found: u64,
    },
}

impl BlobProblem {
    /// Which blob it is about.
    #[must_use]
    pub const fn digest(&self) -> Sha256Digest {
        match self {
            Self::Missing(blob) | Self::WrongSize { blob, .. } => blob.digest,
        }
    }
}

/// A generation must not be served.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store lost something.
    #[error("generation {number} of {store} is not whole: {}", list(problems))]
    Incomplete {
        /// Where.
        store: StoreUrl,
        /// Which one.
        number: GenerationNumber,
        /// All that is wrong.
        problems: Vec<BlobProblem>,
    },
}

impl ValidateError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Incomplete { .. } => Some("publish its tree again, which puts back what is missing".to_owned()),
        }
    }
}

/// The first few; a store that lost all would fill the screen.
fn list(problems: &[BlobProblem]) -> String {
    const SHOWN: usize = 3;
    let mut shown: Vec<_> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        shown.push(format!("and {} more", problems.len() - SHOWN));
    }
    shown.join(", ")
}

/// A generation whose blobs were all there, with the right sizes, when it was validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servable(Generation);

impl Deref for Servable {
    type Target = Generation;

    fn deref(&self) -> &Generation {
        &self.0
    }
}

impl Store {
    /// Sets up access; asks nothing of a server yet.
    pub fn open(url: &StoreUrl, options: &StoreOptions, access: Access) -> Result<Self, ConnectError> {
        let backend = Backend::connect(url, options, access)?;
        let layout = Layout::new(backend.prefix().clone());
        Ok(Self(Arc::new(Inner { backend: Arc::new(backend), layout, create: OnceCell::new() })))
    }

    /// As it was opened.
    #[must_use]
    pub fn url(&self) -> &StoreUrl {
        self.0.backend.url()
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.0.backend
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(crate) fn create_cell(&self) -> &OnceCell<Create> {
        &self.0.create
    }

    /// The newest generation behind `after`, or of all: two small requests. Cancel safe.
    pub async fn latest(&self, after: Option<GenerationNumber>) -> Result<Option<GenerationNumber>, StoreError> {
        let hint = self.head().await?;
        // From just below the hint, so that the listing proves it: a restored store may have a hint of the future.
        let start = hint.max(after);
        let below = start.and_then(|number| GenerationNumber::new(number.get() - 1));
        let mut newest = self.list_generations(below).await?.into_iter().max();
        if newest.is_none() && below.is_some() {
            newest = self.list_generations(after).await?.into_iter().max();
        }
        Ok(newest.filter(|&number| after.is_none_or(|after| number > after)))
    }

    /// Every generation that is kept, newest first.
    pub async fn generations(&self) -> Result<Vec<GenerationNumber>, StoreError> {
        let mut numbers = self.list_generations(None).await?;
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        Ok(numbers)
    }

    async fn list_generations(&self, after: Option<GenerationNumber>) -> Result<Vec<GenerationNumber>, StoreError> {
        let after = after.map(|number| self.layout().generation(number));
        let objects = self.backend().list(&self.layout().generations(), after.as_ref()).await?;
        Ok(objects.iter().filter_map(|(path, _)| self.layout().generation_at(path)).collect())
    }

    /// What the hint says. Anything but a number is as good as none; a store that never answers would not answer the next
    /// request either.
    async fn head(&self) -> Result<Option<GenerationNumber>, StoreError> {
        match self.backend().read(&self.layout().head(), MAX_HEAD).await {
            Ok(Some(Small::Content(text))) => {
                Ok(str::from_utf8(&text).ok().and_then(|text| text.trim_end().parse().ok()))
            }
            Ok(Some(Small::TooLarge) | None) => Ok(None),
            Err(error) if error.answer() == Answer::Other => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a generation. Whether it can be served is another question: [`Self::validate`].
    pub async fn generation(&self, number: GenerationNumber) -> Result<Generation, ReadError> {
        let store = || self.url().clone();
        let json = match self.backend().read(&self.layout().generation(number), MAX_GENERATION).await? {
            Some(Small::Content(json)) => json,
            Some(Small::TooLarge) => {
                let source = GenerationError::Large { limit: MAX_GENERATION };
                return Err(ReadError::Generation { store: store(), number, source });
            }
            None => return Err(ReadError::Missing { store: store(), number }),
        };
        Generation::from_json(number, &json).map_err(|source| ReadError::Generation { store: store(), number, source })
    }

    /// Reads every generation that is kept, newest first. One that cannot be used does not hide the others.
    pub async fn releases(&self) -> Result<Vec<(GenerationNumber, Result<Generation, ReadError>)>, StoreError> {
        let read = stream::iter(self.generations().await?)
            .map(|number| async move { (number, self.generation(number).await) })
            .buffered(SMALL_REQUESTS);
        // Garbage collection took what is missing meanwhile.
        Ok(read.filter(|(_, read)| ready(!matches!(read, Err(ReadError::Missing { .. })))).collect().await)
    }

    /// Makes sure that every blob of a generation is there, with the right size.
    pub async fn validate(&self, generation: Generation) -> Result<Servable, ValidateError> {
        let problems = self.problems(&generation.blobs()).await?;
        if problems.is_empty() {
            return Ok(Servable(generation));
        }
        Err(ValidateError::Incomplete { store: self.url().clone(), number: generation.number, problems })
    }

    /// Which of `blobs` cannot be served, by their sizes.
    pub(crate) async fn problems(&self, blobs: &[Blob]) -> Result<Vec<BlobProblem>, StoreError> {
        let found: Vec<_> = stream::iter(blobs.iter().copied())
            .map(|blob| async move { self.problem(blob).await })
            .buffered(SMALL_REQUESTS)
            .collect()
            .await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    /// What is wrong with a blob, by its size.
    pub(crate) async fn problem(&self, blob: Blob) -> Result<Option<BlobProblem>, StoreError> {
        if let Some(found) = self.local_size(blob.digest) {
            // As serving it would find it.
            return match found {
                Ok(found) if found == blob.size => Ok(None),
                Ok(found) => Ok(Some(BlobProblem::WrongSize { blob, found })),
                Err(error) if error.answer() == Answer::NotFound => Ok(Some(BlobProblem::Missing(blob))),
                Err(error) => Err(error),
            };
        }
        Ok(match self.backend().head(&self.layout().blob(blob.digest)).await? {
            None => Some(BlobProblem::Missing(blob)),
            Some(meta) if meta.size != blob.size => Some(BlobProblem::WrongSize { blob, found: meta.size }),
            Some(_) => None,
        })
    }
}
