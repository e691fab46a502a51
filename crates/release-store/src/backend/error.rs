use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    time::Duration,
};

use super::client::NotImplemented;
use crate::{
    StoreUrl,
    url::{Cloud, Place},
};

/// A store did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {object}")]
pub struct StoreError {
    operation: Operation,
    object: String,
    store: StoreUrl,
    source: BackendError,
}

/// What is asked of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
    Inspect,
    List,
    Delete,
    Sign,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Inspect => "inspect",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Sign => "sign a URL for",
        })
    }
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BackendError(Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Store(object_store::Error),
    #[error(transparent)]
    Io(io::Error),
    #[error("no answer within {}s", .0.as_secs_f32())]
    Timeout(Duration),
    #[error("expected {expected} bytes, the store has {found}")]
    Size { expected: u64, found: u64 },
    #[error("the store sent another number of bytes than it announced")]
    Length,
}

impl BackendError {
    pub(super) const fn timeout(time: Duration) -> Self {
        Self(Kind::Timeout(time))
    }

    pub(crate) const fn size(expected: u64, found: u64) -> Self {
        Self(Kind::Size { expected, found })
    }

    pub(crate) const fn length() -> Self {
        Self(Kind::Length)
    }
}

impl From<object_store::Error> for BackendError {
    fn from(error: object_store::Error) -> Self {
        Self(Kind::Store(error))
    }
}

impl From<io::Error> for BackendError {
    fn from(error: io::Error) -> Self {
        Self(Kind::Io(error))
    }
}

/// The kinds of answers that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    NotFound,
    AlreadyExists,
    /// The store does not know the request, such as a conditional put.
    Unknown,
    /// Credentials are missing, wrong, or not enough.
    Denied,
    FullDisk,
    /// None at all, in the time that there was.
    Never,
    Other,
}

impl StoreError {
    pub(super) const fn new(operation: Operation, object: String, store: StoreUrl, source: BackendError) -> Self {
        Self { operation, object, store, source }
    }

    pub(crate) fn answer(&self) -> Answer {
        use object_store::Error as E;
        if self.io().is_some_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
            return Answer::FullDisk;
        }
        match &self.source.0 {
            Kind::Store(error) => match error {
                E::NotFound { .. } => Answer::NotFound,
                E::AlreadyExists { .. } | E::Precondition { .. } => Answer::AlreadyExists,
                E::NotImplemented { .. } | E::NotSupported { .. } => Answer::Unknown,
                E::PermissionDenied { .. } | E::Unauthenticated { .. } => Answer::Denied,
                // Swift's S3 gateway answers so to a conditional put.
                error if cause::<NotImplemented>(error).is_some() => Answer::Unknown,
                _ => self.io().map_or(Answer::Other, answer),
            },
            Kind::Io(error) => answer(error),
            Kind::Timeout(_) => Answer::Never,
            Kind::Size { .. } | Kind::Length => Answer::Other,
        }
    }

    /// The system's own error, however deep it is.
    fn io(&self) -> Option<&io::Error> {
        match &self.source.0 {
            Kind::Store(error) => cause(error),
            Kind::Io(error) => Some(error),
            Kind::Timeout(_) | Kind::Size { .. } | Kind::Length => None,
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match (self.answer(), &self.store.place) {
            (Answer::FullDisk, _) => Some("free some space; what was published before is whole".to_owned()),
            (Answer::Denied, Place::Local(dir)) => Some(format!("check who owns {}", dir.display())),
            (Answer::Denied, Place::Cloud { cloud, .. }) => {
                Some(format!("set {} to credentials that may use the store", cloud.credentials()))
            }
            (Answer::NotFound, Place::Cloud { cloud, bucket, .. }) => Some(match cloud {
                Cloud::Azure => format!("is there a container called `{bucket}`?"),
                Cloud::S3 | Cloud::Google => format!("is there a bucket called `{bucket}`?"),
            }),
            (Answer::Never | Answer::Other, Place::Cloud { cloud, .. }) => Some(format!(
                "check that the store answers, --endpoint if it is not the cloud's own, and {}",
                cloud.credentials()
            )),
            _ => None,
        }
    }
}

fn cause<T: Error + 'static>(error: &object_store::Error) -> Option<&T> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source()).find_map(|error| error.downcast_ref())
}

fn answer(error: &io::Error) -> Answer {
    match error.kind() {
        ErrorKind::NotFound => Answer::NotFound,
        ErrorKind::AlreadyExists => Answer::AlreadyExists,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Answer::Denied,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Answer::FullDisk,
        _ => Answer::Other,
    }
}
