use std::{
    cell::Cell,
    fmt,
    io::{self, Read},
};

/// What an archive may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of any kind.
    pub entries: u64,
    /// Bytes after decompression, of all that is read: skipped members and the archive's own structure count, too.
    pub total_bytes: u64,
    /// Bytes of one wanted member.
    pub member_bytes: u64,
}

impl Default for Limits {
    /// The largest Envoy known is 566 MB unstripped, and its package holds a few hundred entries.
    fn default() -> Self {
        Self { entries: 100_000, total_bytes: 4 << 30, member_bytes: 1 << 30 }
    }
}

/// A limit that an archive went over, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::entries`].
    Entries(u64),
    /// [`Limits::total_bytes`].
    TotalBytes(u64),
    /// [`Limits::member_bytes`].
    MemberBytes(u64),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(limit) => write!(f, "{limit} entries per archive"),
            Self::TotalBytes(limit) => write!(f, "{limit} uncompressed bytes per archive"),
            Self::MemberBytes(limit) => write!(f, "{limit} bytes per member"),
        }
    }
}

/// The running account of one extraction.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    entries: Cell<u64>,
    bytes: Cell<u64>,
    exceeded: Cell<Option<Limit>>,
    ended: Cell<bool>,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, entries: Cell::new(0), bytes: Cell::new(0), exceeded: Cell::new(None), ended: Cell::new(false) }
    }

    /// Counts one more entry.
    pub(crate) fn count_entry(&self) -> Result<(), Limit> {
        self.entries.set(self.entries.get().saturating_add(1));
        self.allow(self.entries.get() <= self.limits.entries, Limit::Entries(self.limits.entries))
    }

    /// Whether `more` entries may still come; they are not counted yet.
    pub(crate) fn check_entries(&self, more: u64) -> Result<(), Limit> {
        let entries = self.entries.get().saturating_add(more);
        self.allow(entries <= self.limits.entries, Limit::Entries(self.limits.entries))
    }

    /// Checks a member's size, declared or counted so far.
    pub(crate) fn check_member(&self, bytes: u64) -> Result<(), Limit> {
        self.allow(bytes <= self.limits.member_bytes, Limit::MemberBytes(self.limits.member_bytes))
    }

    /// The first limit that was exceeded: readers in between may have replaced the error that [`Metered`] gave.
    pub(crate) fn exceeded(&self) -> Option<Limit> {
        self.exceeded.get()
    }

    /// Whether the stream was read up to its end, so that asking for more means that it was cut.
    pub(crate) fn ended(&self) -> bool {
        self.ended.get()
    }

    fn count_bytes(&self, bytes: u64) -> Result<(), Limit> {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.allow(self.bytes.get() <= self.limits.total_bytes, Limit::TotalBytes(self.limits.total_bytes))
    }

    fn allow(&self, within: bool, limit: Limit) -> Result<(), Limit> {
        if within {
            return Ok(());
        }
        self.exceeded.set(self.exceeded.get().or(Some(limit)));
        Err(limit)
    }
}

/// A decompressed stream whose bytes are on the account of a [`Budget`].
pub(crate) struct Metered<'a, R> {
    inner: R,
    budget: &'a Budget,
    /// How many of the last bytes were zero.
    zero_tail: u64,
}

impl<'a, R: Read> Metered<'a, R> {
    pub(crate) fn new(inner: R, budget: &'a Budget) -> Self {
        budget.ended.set(false);
        Self { inner, budget, zero_tail: 0 }
    }

    /// Reads to the end, where decompressors check their sums, and tells how many zero bytes stood last.
    pub(crate) fn drain(mut self) -> io::Result<u64> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.zero_tail)
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        if read == 0 && !buf.is_empty() {
            self.budget.ended.set(true);
        }
        let zeros = buf[..read].iter().rev().take_while(|&&byte| byte == 0).count();
        self.zero_tail = if zeros == read { self.zero_tail + zeros as u64 } else { zeros as u64 };
        self.budget.count_bytes(read as u64).map_err(|limit| io::Error::other(limit.to_string()))?;
        Ok(read)
    }
}

/// Reads over `bytes` bytes.
pub(crate) fn skip(from: &mut impl Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut from.take(bytes), &mut io::sink())?;
    if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
