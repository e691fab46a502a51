use std::{
    ffi::c_void,
    io,
    num::NonZeroUsize,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create},
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

/// The memory, which readers share. It is given back with the last of them.
#[derive(Debug)]
pub struct Sealed {
    file: OwnedFd,
    start: *mut c_void,
    len: NonZeroUsize,
    /// How many bytes from the beginning are written and will never be written again.
    written: AtomicUsize,
}

#[expect(unsafe_code, reason = "a pointer is neither Send nor Sync by itself")]
// SAFETY: the mapping is read only, belongs to no thread, and is unmapped when nobody has a reference any more.
unsafe impl Send for Sealed {}
#[expect(unsafe_code, reason = "a pointer is neither Send nor Sync by itself")]
// SAFETY: as above; `bytes` gives out only what nobody writes to any more.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// `len` bytes that cannot become fewer or more.
    pub(crate) fn new(len: NonZeroUsize) -> io::Result<Self> {
        let file = memfd_create("sealed", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, len.get() as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
        #[expect(unsafe_code, reason = "mapping a file")]
        // SAFETY: the kernel chooses the place, so nothing is mapped over. The file is ours alone and cannot shrink, so that every
        // page of the mapping stays readable. A private mapping that is never written to shows what `write(2)` put into the
        // file.
        let start = unsafe { mmap(ptr::null_mut(), len.get(), ProtFlags::READ, MapFlags::PRIVATE, &file, 0) }?;
        Ok(Self { file, start, len, written: AtomicUsize::new(0) })
    }

    /// The next `count` bytes are written.
    pub(crate) fn advance(&self, count: usize) {
        let written = self.written.fetch_add(count, Ordering::Release) + count;
        assert!(written <= self.len.get(), "more was written than there is room for");
    }

    /// Nobody can write to it from now on, not even by `/proc`. `F_SEAL_WRITE` would wait for clients that are being sent parts of it,
    /// and differs only for mappings that are writable already, of which there is none.
    pub(crate) fn seal(&self) -> io::Result<()> {
        Ok(fcntl_add_seals(&self.file, SealFlags::FUTURE_WRITE | SealFlags::SEAL)?)
    }

    /// Whether there are bytes of it that somebody still reads: `memory` is known to be the only handle.
    #[must_use]
    pub fn is_read(memory: &Arc<Self>) -> bool {
        Arc::strong_count(memory) > 1
    }

    /// Bytes that are written, in place.
    ///
    /// # Panics
    ///
    /// If not all of the range is.
    #[must_use]
    pub fn bytes(self: &Arc<Self>, start: usize, end: usize) -> Bytes {
        assert!(start <= end && end <= self.written.load(Ordering::Acquire), "only what is written can be read");
        Bytes::from_owner(Part { memory: Arc::clone(self), start, end })
    }

    /// Where in this memory `bytes` stand, if they do.
    #[must_use]
    pub fn offset_of(&self, bytes: &[u8]) -> Option<u64> {
        let offset = bytes.as_ptr().addr().checked_sub(self.start.addr())?;
        (offset.checked_add(bytes.len())? <= self.len.get()).then_some(offset as u64)
    }
}

/// For `sendfile(2)`, at the offset that [`Sealed::offset_of`] gives.
impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "unmapping")]
        // SAFETY: it is the whole of a mapping of ours, and every slice of it holds a reference.
        let unmapped = unsafe { munmap(self.start, self.len.get()) };
        debug_assert!(unmapped.is_ok(), "it was mapped");
    }
}

/// A range that is written.
struct Part {
    memory: Arc<Sealed>,
    start: usize,
    end: usize,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "a slice of a mapping")]
        // SAFETY: the range lies inside of the mapping, which lives as long as `self`, and in the part that is written: nobody
        // writes there again, because the one writer only appends.
        unsafe {
            std::slice::from_raw_parts(self.memory.start.cast::<u8>().add(self.start), self.end - self.start)
        }
    }
}
