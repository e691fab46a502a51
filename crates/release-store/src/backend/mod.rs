//! The one door to `object_store`: small requests with deadlines, and errors that say what was asked of which object.

mod client;
mod connect;
mod error;
mod local;

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, PutMode, PutPayload, signer::Signer,
};

pub use self::{
    connect::{Access, ConnectError},
    error::{BackendError, StoreError},
};
pub(crate) use self::{
    error::{Answer, Operation},
    local::{Copied, CopyError, LocalDir},
};
pub(crate) use object_store::path::Path;

use crate::{StoreUrl, url::Place};

/// Slower than this is treated as a store that hangs.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

/// What a store says about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) size: u64,
    /// Seconds since the Unix epoch, by the store's clock.
    pub(crate) modified: i64,
}

/// How an object comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// Only if there is none; the store sees to it.
    Create,
    /// Whatever is there.
    Overwrite,
}

/// A connection to one store.
#[derive(Debug)]
pub(crate) struct Backend {
    store: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    local: Option<LocalDir>,
    url: StoreUrl,
    /// The store's prefix in its bucket.
    prefix: Path,
    patience: Duration,
}

impl Backend {
    pub(crate) const fn url(&self) -> &StoreUrl {
        &self.url
    }

    pub(crate) const fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The folder, if the store is one.
    pub(crate) const fn local(&self) -> Option<&LocalDir> {
        self.local.as_ref()
    }

    /// Whether requests go over a network, to a program with manners of its own.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.url.place, Place::Cloud { .. })
    }

    /// Gives an error the object's full address.
    pub(crate) fn error(&self, operation: Operation, path: &Path, source: BackendError) -> StoreError {
        let below = path.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(path.as_ref());
        let object = format!("{}/{}", self.url.to_string().trim_end_matches('/'), below.trim_start_matches('/'));
        StoreError::new(operation, object, self.url.clone(), source)
    }

    async fn within<T>(
        &self,
        operation: Operation,
        path: &Path,
        time: Duration,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(time, request).await {
            Ok(answer) => answer.map_err(|error| self.error(operation, path, error.into())),
            Err(_) => Err(self.error(operation, path, BackendError::timeout(time))),
        }
    }

    /// Time for a request that carries `bytes`.
    fn time_for(&self, bytes: u64) -> Duration {
        self.patience.saturating_add(Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND))
    }

    pub(crate) async fn put(&self, path: &Path, content: Vec<Bytes>, put: Put) -> Result<(), StoreError> {
        let payload: PutPayload = content.into_iter().collect();
        let time = self.time_for(payload.content_length() as u64);
        let mode = match put {
            Put::Create => PutMode::Create,
            Put::Overwrite => PutMode::Overwrite,
        };
        self.within(Operation::Write, path, time, self.store.put_opts(path, payload, mode.into())).await?;
        Ok(())
    }

    /// A whole small object. `None` when there is none; one with more than `limit` bytes is not read.
    pub(crate) async fn read(&self, path: &Path, limit: u64) -> Result<Option<Small>, StoreError> {
        let request = async {
            let result = self.store.get(path).await?;
            if result.meta.size > limit {
                return Ok(Small::TooLarge);
            }
            // A local file is not streamed here: `bytes` reads it in one piece.
            result.bytes().await.map(Small::Content)
        };
        match self.within(Operation::Read, path, self.time_for(0), request).await {
            Ok(small) => Ok(Some(small)),
            Err(error) if error.answer() == Answer::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes of a large object as they come, exactly those of `range`: anything less or more ends in an error.
    ///
    /// Never of a local store: `object_store`'s stream of a file that was cut short never ends.
    pub(crate) async fn stream(
        self: &Arc<Self>,
        path: &Path,
        size: u64,
        range: Range<u64>,
    ) -> Result<ByteStream, StoreError> {
        let mut options = GetOptions::default();
        if range != (0..size) {
            options.range = Some(GetRange::Bounded(range.clone()));
        }
        let result = self.within(Operation::Read, path, self.patience, self.store.get_opts(path, options)).await?;
        if result.meta.size != size {
            return Err(self.error(Operation::Read, path, BackendError::size(size, result.meta.size)));
        }
        let stream = match result.payload {
            GetResultPayload::Stream(stream) => stream,
            GetResultPayload::File(..) => unreachable!("local stores are read through their folder"),
        };
        Ok(self.exact(path.clone(), stream, range.end - range.start))
    }

    fn exact(
        self: &Arc<Self>,
        path: Path,
        stream: BoxStream<'static, object_store::Result<Bytes>>,
        length: u64,
    ) -> ByteStream {
        let state = (Arc::clone(self), path, stream, Some(length));
        futures_util::stream::unfold(state, async |(backend, path, mut stream, left)| {
            let left = left?;
            let next = match tokio::time::timeout(backend.patience, stream.next()).await {
                Err(_) => Err(BackendError::timeout(backend.patience)),
                Ok(Some(Err(error))) => Err(error.into()),
                Ok(Some(Ok(bytes))) if bytes.len() as u64 <= left => Ok(Some(bytes)),
                Ok(None) if left == 0 => Ok(None),
                Ok(Some(Ok(_)) | None) => Err(BackendError::length()),
            };
            match next {
                Ok(Some(bytes)) => {
                    let left = left - bytes.len() as u64;
                    Some((Ok(bytes), (backend, path, stream, Some(left))))
                }
                Ok(None) => None,
                Err(error) => {
                    let error = backend.error(Operation::Read, &path, error);
                    Some((Err(error), (backend, path, stream, None)))
                }
            }
        })
        .boxed()
    }

    /// `None` when there is no such object.
    pub(crate) async fn head(&self, path: &Path) -> Result<Option<Meta>, StoreError> {
        match self.within(Operation::Inspect, path, self.patience, self.store.head(path)).await {
            Ok(meta) => Ok(Some(Meta { size: meta.size, modified: meta.last_modified.timestamp() })),
            Err(error) if error.answer() == Answer::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects below `folder`, or only those whose path sorts behind `after`, in no particular order.
    pub(crate) async fn list(&self, folder: &Path, after: Option<&Path>) -> Result<Vec<(Path, Meta)>, StoreError> {
        let mut pages = match after {
            Some(after) => self.store.list_with_offset(Some(folder), after),
            None => self.store.list(Some(folder)),
        };
        let mut objects = Vec::new();
        // The deadline is for each answer: a store may have many pages.
        loop {
            let next = self.within(Operation::List, folder, self.patience, pages.try_next()).await;
            match next {
                Ok(Some(meta)) => {
                    let modified = meta.last_modified.timestamp();
                    objects.push((meta.location, Meta { size: meta.size, modified }));
                }
                Ok(None) => return Ok(objects),
                // No object was ever written below it, or one vanished while a local folder was read.
                Err(error) if error.answer() == Answer::NotFound && self.local.is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// An object that is not there any more is no error.
    pub(crate) async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.within(Operation::Delete, path, self.patience, self.store.delete(path)).await {
            Err(error) if error.answer() != Answer::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// `None` for stores that cannot sign.
    pub(crate) async fn signed_url(&self, path: &Path, valid: Duration) -> Option<Result<String, StoreError>> {
        let signer = self.signer.as_ref()?;
        let request = signer.signed_url(http::Method::GET, path, valid);
        let signed = self.within(Operation::Sign, path, self.patience, request).await;
        Some(signed.map(|url| url.to_string()))
    }
}

/// A small object, or the news that it is none.
#[derive(Debug)]
pub(crate) enum Small {
    Content(Bytes),
    TooLarge,
}

/// Bytes of a remote object as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreOptions;

    /// How a body of these pieces ends, where `length` bytes were announced.
    fn read(pieces: &[&'static [u8]], length: u64) -> Result<Vec<u8>, String> {
        let url = "memory:".parse().expect("valid");
        let backend = Backend::connect(&url, &StoreOptions::default(), Access::Read).expect("it needs nothing");
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
        let body = Arc::new(backend).exact(Path::from("blob"), futures_util::stream::iter(pieces).boxed(), length);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a thread");
        let read = runtime.block_on(body.try_collect::<Vec<_>>());
        read.map(|pieces| pieces.concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_has_the_announced_length_or_ends_in_an_error() {
        assert_eq!(read(&[b"ab", b"c"], 3), Ok(b"abc".to_vec()));
        assert_eq!(read(&[], 0), Ok(Vec::new()));
        for (pieces, length) in [(&[&b"ab"[..]][..], 3), (&[], 1), (&[b"ab", b"cd"], 3)] {
            assert_eq!(read(pieces, length), Err("cannot read memory:/blob".to_owned()), "{pieces:?}");
        }
    }
}
