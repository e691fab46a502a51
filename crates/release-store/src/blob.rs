use std::{fs::File, ops::Range, time::Duration};

use artifact::Sha256Digest;

use crate::{
    Store, StoreError,
    backend::{BackendError, ByteStream, Operation},
};

/// A blob as a generation names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob {
    /// Its name, and what it must hash to.
    pub digest: Sha256Digest,
    /// In bytes.
    pub size: u64,
}

/// The bytes of a blob, not yet compared with its digest.
pub enum BlobBody {
    /// Of a local store: a regular file of the blob's size when it was opened. Read it with `pread` at the range that was
    /// asked for; a read that ends early means that the file was cut short.
    File(File),
    /// Of any other store: exactly the range that was asked for, or an error.
    Stream(ByteStream),
}

impl std::fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Store {
    /// Opens a blob, or `range` of it, which must lie inside. Cancel safe.
    pub async fn open_blob(&self, blob: Blob, range: Option<Range<u64>>) -> Result<BlobBody, StoreError> {
        let range = range.unwrap_or(0..blob.size);
        assert!(range.start <= range.end && range.end <= blob.size, "ranges are resolved against the blob's size");
        if let Some(opened) = self.open_local_blob(blob) {
            return opened.map(BlobBody::File);
        }
        if range.is_empty() {
            return Ok(BlobBody::Stream(Box::pin(futures_util::stream::empty())));
        }
        let path = self.layout().blob(blob.digest);
        self.backend().stream(&path, blob.size, range).await.map(BlobBody::Stream)
    }

    /// The file of a blob; `None` when the store is not local. Blocks for as long as the system opens a file. No symbolic
    /// link is followed, anywhere below the store's folder.
    #[must_use]
    pub fn open_local_blob(&self, blob: Blob) -> Option<Result<File, StoreError>> {
        let local = self.backend().local()?;
        let path = self.layout().blob(blob.digest);
        let opened = local.open_file(&path).map_err(BackendError::from).and_then(|file| {
            let found = file.metadata()?.len();
            if found == blob.size { Ok(file) } else { Err(BackendError::size(blob.size, found)) }
        });
        Some(opened.map_err(|error| self.backend().error(Operation::Read, &path, error)))
    }

    /// The size of a blob; `None` when the store is not local.
    pub(crate) fn local_size(&self, digest: Sha256Digest) -> Option<Result<u64, StoreError>> {
        let local = self.backend().local()?;
        let path = self.layout().blob(digest);
        let size = local.open_file(&path).and_then(|file| Ok(file.metadata()?.len()));
        Some(size.map_err(|error| self.backend().error(Operation::Inspect, &path, error.into())))
    }

    /// A URL that fetches the blob from the store without credentials, for as long as `valid`. `None` for stores that
    /// cannot sign: local ones and memory.
    pub async fn signed_url(&self, digest: Sha256Digest, valid: Duration) -> Option<Result<String, StoreError>> {
        self.backend().signed_url(&self.layout().blob(digest), valid).await
    }
}
