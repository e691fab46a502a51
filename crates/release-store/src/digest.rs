use std::{
    fs::File,
    io::{self, ErrorKind, Read},
};

use artifact::Sha256Digest;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use crate::{
    Blob, BlobBody, Store, StoreError,
    backend::{BackendError, Operation},
};

/// Large enough that hashing is the bottleneck, small enough to stay in a core's cache.
const BUFFER: usize = 256 << 10;

impl Store {
    /// What a blob really hashes to. `None` when it ends early.
    pub(crate) async fn digest(&self, blob: Blob) -> Result<Option<Sha256Digest>, StoreError> {
        match self.open_blob(blob, None).await? {
            BlobBody::File(file) => {
                let hashed = tokio::task::spawn_blocking(move || hash(file, blob.size)).await;
                hashed.expect("it does not panic").map_err(|error| {
                    let path = self.layout().blob(blob.digest);
                    self.backend().error(Operation::Read, &path, BackendError::from(error))
                })
            }
            BlobBody::Stream(mut stream) => {
                let mut hasher = Sha256::new();
                while let Some(bytes) = stream.next().await {
                    hasher.update(&bytes?);
                }
                Ok(Some(Sha256Digest::from_hasher(hasher)))
            }
        }
    }
}

fn hash(file: File, size: u64) -> io::Result<Option<Sha256Digest>> {
    let (mut file, mut read, mut hasher, mut buffer) = (file.take(size), 0, Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((read == size).then(|| Sha256Digest::from_hasher(hasher))),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                read += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
