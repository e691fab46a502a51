//! A blob in memory: filled once, by whoever asked first, and read by everybody while it grows.
//!
//! Bytes are given out as they arrive, but never the last that a reader asked for before the digest of all is known to be
//! right: whoever reads a blob, or a part of it, to the end has what the release says, or an error.

use std::{
    collections::HashMap,
    io,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use artifact::Sha256Digest;
use bytes::Bytes;
use sealed_memory::{Sealed, Writer};
use sha2::{Digest, Sha256};

/// What is read from a disk, or given to a connection, at once at most.
pub const PIECE: usize = 1 << 20;

/// Why a blob cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobFault {
    /// The bytes are others.
    #[error("blob {expected}: the bytes have the digest {found}")]
    Digest {
        /// The blob's name.
        expected: Sha256Digest,
        /// What was read.
        found: Sha256Digest,
    },
    /// There are more or fewer bytes than the release says.
    #[error("blob {digest}: {found} bytes instead of {expected}")]
    Size {
        /// The blob's name.
        digest: Sha256Digest,
        /// In bytes.
        expected: u64,
        /// In bytes; reading stops at the first that is too much.
        found: u64,
    },
    /// The store did not give it.
    #[error("blob {digest}: cannot be read: {reason}")]
    Read {
        /// The blob's name.
        digest: Sha256Digest,
        /// The store's words.
        reason: String,
    },
    /// The server ended while it was read.
    #[error("blob {digest}: reading it was given up")]
    Abandoned {
        /// The blob's name.
        digest: Sha256Digest,
    },
}

/// A blob that is, or will be, wholly in memory.
#[derive(Debug)]
pub struct Resident {
    digest: Sha256Digest,
    size: u64,
    /// Set once, when every byte is there and the digest is right.
    verified: OnceLock<Memory>,
    growing: Mutex<Growing>,
    /// When it was last asked for, by the cache's clock.
    pub(super) used: AtomicU64,
}

/// None for a blob without bytes.
type Memory = Option<Arc<Sealed>>;

#[derive(Debug, Default)]
struct Growing {
    memory: Memory,
    bytes: u64,
    /// What went wrong, and when.
    failed: Option<(BlobFault, Instant)>,
    /// Whom to wake when there is more, by the readers' numbers.
    waiting: HashMap<u64, Waker>,
    /// Readers so far.
    readers: u64,
}

impl Resident {
    /// Nothing of it is there yet; the [`Filler`] brings it.
    #[must_use]
    pub fn begin(digest: Sha256Digest, size: u64) -> (Arc<Self>, Filler) {
        let len = usize::try_from(size).ok().and_then(NonZeroUsize::new);
        let writer = len.map(Writer::new).transpose();
        let memory = writer.as_ref().ok().and_then(|writer| Some(writer.as_ref()?.memory()));
        let blob = Arc::new(Self {
            digest,
            size,
            verified: OnceLock::new(),
            growing: Mutex::new(Growing { memory, ..Growing::default() }),
            used: AtomicU64::new(0),
        });
        let filler = Filler { blob: Arc::clone(&blob), hasher: Sha256::new(), writer, ended: false };
        (blob, filler)
    }

    /// In bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether every byte is there and right.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified.get().is_some()
    }

    /// All bytes, once they are known to be right.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        self.verified.get().map(|memory| slice(memory.as_ref(), 0, self.size))
    }

    /// Whether bytes of it are on their way to somebody, who may have dropped everything else of it.
    pub(super) fn is_read(&self) -> bool {
        self.verified.get().and_then(Option::as_ref).is_some_and(Sealed::is_read)
    }

    /// What went wrong and when, if something did.
    #[must_use]
    pub fn failed(&self) -> Option<(BlobFault, Instant)> {
        if self.is_verified() { None } else { self.growing().failed.clone() }
    }

    /// Somebody who reads from `offset` to before `end`, which is at most the size.
    #[must_use]
    pub fn reader(self: &Arc<Self>, offset: u64, end: u64) -> Reader {
        let mut growing = self.growing();
        growing.readers += 1;
        Reader { blob: Arc::clone(self), number: growing.readers, offset, end }
    }

    fn poll_read(&self, context: &Context<'_>, reader: u64, from: u64, end: u64, limit: usize) -> Poll<Read> {
        let (offset, limit) = (from, (end - from).min(limit as u64));
        if let Some(memory) = self.verified.get() {
            return Poll::Ready(Ok(slice(memory.as_ref(), offset, limit)));
        }
        let mut growing = self.growing();
        // The filler may have come to its end in the meantime.
        if let Some(memory) = self.verified.get() {
            return Poll::Ready(Ok(slice(memory.as_ref(), offset, limit)));
        }
        if let Some((fault, _)) = &growing.failed {
            return Poll::Ready(Err(fault.clone()));
        }
        // Until it is verified, the reader's last byte stays here.
        let readable = growing.bytes.min(end.saturating_sub(1));
        if offset < readable {
            return Poll::Ready(Ok(slice(growing.memory.as_ref(), offset, (readable - offset).min(limit))));
        }
        growing.waiting.insert(reader, context.waker().clone());
        Poll::Pending
    }

    fn growing(&self) -> MutexGuard<'_, Growing> {
        self.growing.lock().expect("nobody panics while holding it")
    }

    fn wake(mut growing: MutexGuard<'_, Growing>) {
        let waiting = std::mem::take(&mut growing.waiting);
        drop(growing);
        waiting.into_values().for_each(Waker::wake);
    }

    pub(super) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }
}

type Read = Result<Bytes, BlobFault>;

/// A stretch of a blob that is being read. Dropped, it is not waited for any more.
#[derive(Debug)]
pub struct Reader {
    blob: Arc<Resident>,
    number: u64,
    offset: u64,
    end: u64,
}

impl Reader {
    /// How many bytes are still to be read.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.end - self.offset
    }

    /// The memory that the bytes stand in, from where the kernel can send them.
    #[must_use]
    pub fn memory(&self) -> Weak<Sealed> {
        let weak = |memory: &Memory| memory.as_ref().map_or_else(Weak::new, Arc::downgrade);
        self.blob.verified.get().map_or_else(|| weak(&self.blob.growing().memory), weak)
    }

    /// The next bytes: at least one and at most `limit`. Something must remain.
    pub fn poll_next(&mut self, context: &Context<'_>, limit: usize) -> Poll<Read> {
        let bytes = ready!(self.blob.poll_read(context, self.number, self.offset, self.end, limit))?;
        self.offset += bytes.len() as u64;
        Poll::Ready(Ok(bytes))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.blob.is_verified() {
            self.blob.growing().waiting.remove(&self.number);
        }
    }
}

/// At most `limit` bytes from `offset`, which are there.
fn slice(memory: Option<&Arc<Sealed>>, offset: u64, limit: u64) -> Bytes {
    let index = |offset: u64| usize::try_from(offset).expect("it is in memory");
    memory.map_or_else(Bytes::new, |memory| memory.bytes(index(offset), index(offset + limit)))
}

/// Brings a blob's bytes. Dropped before the end, it fails the blob, so that no reader waits for ever.
#[derive(Debug)]
pub struct Filler {
    blob: Arc<Resident>,
    hasher: Sha256,
    /// An error is what the kernel said when it was asked for memory.
    writer: io::Result<Option<Writer>>,
    ended: bool,
}

impl Filler {
    /// What it fills.
    #[must_use]
    pub fn blob(&self) -> Arc<Resident> {
        Arc::clone(&self.blob)
    }

    /// The blob's name.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        self.blob.digest
    }

    /// In bytes, when it is whole.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blob.size
    }

    /// How many bytes are to come.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.blob.size - self.blob.growing().bytes
    }

    /// Adds the next bytes. An error is the kernel's: there is no memory for them.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        match &mut self.writer {
            Ok(Some(writer)) => writer.append(bytes)?,
            Ok(None) => return Err(io::ErrorKind::FileTooLarge.into()),
            Err(error) => return Err(std::mem::replace(error, io::ErrorKind::OutOfMemory.into())),
        }
        let mut growing = self.blob.growing();
        growing.bytes += bytes.len() as u64;
        Resident::wake(growing);
        Ok(())
    }

    /// Compares the digest; the last byte can be read from now on, or none.
    pub fn finish(mut self) -> Result<(), BlobFault> {
        let (digest, expected) = (self.blob.digest, self.blob.size);
        let hashed = Sha256Digest::from_hasher(std::mem::take(&mut self.hasher));
        let found = self.blob.growing().bytes;
        if found != expected {
            return Err(self.fail(BlobFault::Size { digest, expected, found }));
        }
        if hashed != digest {
            return Err(self.fail(BlobFault::Digest { expected: digest, found: hashed }));
        }
        let sealed =
            std::mem::replace(&mut self.writer, Ok(None)).and_then(|writer| writer.map(Writer::seal).transpose());
        let memory = match sealed {
            Ok(memory) => memory,
            Err(error) => return Err(self.fail(BlobFault::Read { digest, reason: format!("memory: {error}") })),
        };
        let mut growing = self.blob.growing();
        growing.memory = None;
        self.blob.verified.set(memory).expect("there is one filler, and it ends once");
        self.ended = true;
        Resident::wake(growing);
        Ok(())
    }

    /// Gives up, and says why to all who read or will.
    #[must_use]
    pub fn fail(mut self, fault: BlobFault) -> BlobFault {
        self.end_with(fault.clone());
        fault
    }

    fn end_with(&mut self, fault: BlobFault) {
        self.ended = true;
        let mut growing = self.blob.growing();
        growing.memory = None;
        growing.failed = Some((fault, Instant::now()));
        Resident::wake(growing);
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        if !self.ended {
            self.end_with(BlobFault::Abandoned { digest: self.blob.digest });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blob: &Resident, offset: u64, limit: usize) -> Poll<Result<Bytes, BlobFault>> {
        blob.poll_read(&Context::from_waker(Waker::noop()), 0, offset, blob.size, limit)
    }

    fn content() -> Vec<u8> {
        (0..PIECE + 1000).map(|index| (index % 251).to_le_bytes()[0]).collect()
    }

    fn begin(content: &[u8]) -> (Arc<Resident>, Filler) {
        Resident::begin(Sha256Digest::of(content), content.len() as u64)
    }

    #[test]
    fn the_last_byte_is_held_back_until_all_are_verified() {
        let content = content();
        let (blob, mut filler) = begin(&content);
        assert!(read(&blob, 0, 10).is_pending());
        filler.add(&content[..PIECE]).expect("there is memory");
        assert_eq!(read(&blob, 5, 10), Poll::Ready(Ok(Bytes::copy_from_slice(&content[5..15]))));
        filler.add(&content[PIECE..]).expect("there is memory");
        let last = content.len() as u64 - 1;
        assert_eq!(
            read(&blob, last - 5, 10),
            Poll::Ready(Ok(Bytes::copy_from_slice(&content[PIECE + 994..PIECE + 999])))
        );
        assert!(read(&blob, last, 10).is_pending());
        filler.finish().expect("the right bytes");
        assert_eq!(read(&blob, last, 10), Poll::Ready(Ok(Bytes::copy_from_slice(&content[PIECE + 999..]))));
    }

    #[test]
    fn the_last_byte_of_a_part_is_held_back_as_well() {
        let content = content();
        let (blob, mut filler) = begin(&content);
        filler.add(&content[..PIECE]).expect("there is memory");
        let part = |offset| blob.poll_read(&Context::from_waker(Waker::noop()), 0, offset, 20, 100);
        assert_eq!(part(10), Poll::Ready(Ok(Bytes::copy_from_slice(&content[10..19]))));
        assert!(part(19).is_pending(), "nothing of it is known to be right yet");
        filler.add(&content[PIECE..]).expect("there is memory");
        filler.finish().expect("the right bytes");
        assert_eq!(part(19), Poll::Ready(Ok(Bytes::copy_from_slice(&content[19..20]))));
    }

    #[test]
    fn a_reader_that_left_is_not_remembered() {
        let content = content();
        let (blob, mut filler) = begin(&content);
        let mut readers: Vec<Reader> = (0..10).map(|_| blob.reader(0, 20)).collect();
        for reader in &mut readers {
            assert!(reader.poll_next(&Context::from_waker(Waker::noop()), 100).is_pending());
        }
        assert_eq!(blob.growing().waiting.len(), 10);
        drop(readers.split_off(1));
        assert_eq!(blob.growing().waiting.len(), 1);
        filler.add(&content[..PIECE]).expect("there is memory");
        assert_eq!(blob.growing().waiting.len(), 0);
        let memory = readers[0].memory().upgrade().expect("it is being filled");
        let read = readers[0].poll_next(&Context::from_waker(Waker::noop()), 100);
        assert!(matches!(read, Poll::Ready(Ok(bytes)) if bytes.len() == 19 && memory.offset_of(&bytes) == Some(0)));
        assert_eq!(readers[0].remaining(), 1);
    }

    #[test]
    fn other_bytes_are_an_error_for_those_who_read_and_those_who_come() {
        let content = content();
        let (blob, mut filler) = begin(&content);
        let mut other = content.clone();
        other[7] ^= 1;
        filler.add(&other[..PIECE]).expect("there is memory");
        filler.add(&other[PIECE..]).expect("there is memory");
        let fault = filler.finish().expect_err("other bytes");
        assert!(matches!(fault, BlobFault::Digest { .. }), "{fault}");
        assert_eq!(read(&blob, 0, 10), Poll::Ready(Err(fault)));
    }

    #[test]
    fn what_failed_holds_no_memory_and_what_is_read_is_known() {
        let content = content();
        let (blob, mut filler) = begin(&content);
        let reader = blob.reader(0, 20);
        filler.add(&content[..PIECE]).expect("there is memory");
        let memory = reader.memory();
        assert!(memory.upgrade().is_some());
        drop(filler);
        assert!(memory.upgrade().is_none());

        let (blob, mut filler) = begin(&content);
        filler.add(&content).expect("there is memory");
        filler.finish().expect("the right bytes");
        assert!(!blob.is_read());
        let Poll::Ready(Ok(bytes)) = read(&blob, 5, 10) else { panic!("it is there") };
        assert!(blob.is_read());
        drop(bytes);
        assert!(!blob.is_read());
    }

    #[test]
    fn a_short_blob_and_an_abandoned_one_are_errors() {
        let content = content();
        let (blob, mut filler) = begin(&content);
        filler.add(&content[..PIECE]).expect("there is memory");
        assert!(matches!(filler.finish(), Err(BlobFault::Size { found: 1_048_576, .. })));
        assert!(blob.failed().is_some());

        let (blob, filler) = begin(&content);
        drop(filler);
        assert!(matches!(blob.failed(), Some((BlobFault::Abandoned { .. }, _))));
    }
}
