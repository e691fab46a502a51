//! What lines are written to, and what is left of it when a write fails.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{FileType, Mode, OFlags, SeekFrom},
    io::Errno,
};

use super::error::RelayError;

/// Readable by the group, as logs are; nobody else learns which services a machine calls.
const MODE: Mode = Mode::from_raw_mode(0o640);

/// An open file, pipe, socket or terminal.
#[derive(Debug)]
pub(super) struct Sink {
    fd: OwnedFd,
    kind: FileType,
    /// Its last byte is of a line that has not ended.
    open_line: bool,
}

/// A write that did not end.
#[derive(Debug)]
pub(super) struct WriteFault {
    /// How many line ends are in place for good.
    pub(super) lines: usize,
    pub(super) error: Errno,
}

impl WriteFault {
    /// Whether there is nobody who could miss a line.
    pub(super) fn no_reader(&self) -> bool {
        matches!(self.error, Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN | Errno::CONNREFUSED)
    }
}

impl Sink {
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        Ok(Self { fd, kind, open_line: false })
    }

    /// Opens a regular file, which is made if it is missing, a named pipe or a character device, also through symbolic links:
    /// `/var/log/x.log -> /dev/null` and folders that moved to other disks are both common. Who may put a link there may as
    /// well name another file in the settings.
    pub(super) fn open(path: &Path) -> Result<Self, RelayError> {
        // Without waiting for a pipe's reader. Regular files do not care.
        let flags =
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let fd = rustix::fs::open(path, flags, MODE).map_err(|error| match error {
            Errno::NXIO if is_pipe(path) => RelayError::NoReader { path: path.to_owned() },
            Errno::ISDIR | Errno::NXIO => RelayError::NotAFile { path: path.to_owned() },
            _ => RelayError::Open { path: path.to_owned(), source: error.into() },
        })?;
        let sink = Self::new(fd).map_err(|source| RelayError::Open { path: path.to_owned(), source })?;
        match sink.kind {
            FileType::RegularFile | FileType::Fifo | FileType::CharacterDevice => Ok(sink),
            _ => Err(RelayError::NotAFile { path: path.to_owned() }),
        }
    }

    /// Whether `JOURNAL_STREAM` names it: systemd.exec(5).
    pub(super) fn is_journal(&self, journal_stream: Option<&OsStr>) -> bool {
        let named = || {
            let (device, inode) = journal_stream?.to_str()?.split_once(':')?;
            Some((device.parse().ok()?, inode.parse().ok()?))
        };
        named().is_some_and(|named| self.identity().ok() == Some(named))
    }

    /// Device and inode.
    pub(super) fn identity(&self) -> io::Result<(u64, u64)> {
        let stat = rustix::fs::fstat(&self.fd)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Whether the next byte belongs to a line that is there in part.
    pub(super) const fn open_line(&self) -> bool {
        self.open_line
    }

    /// Writes all of `bytes`; without `deadline` it waits as long as a reader takes.
    ///
    /// What a regular file took of a line without taking its end is cut off again.
    pub(super) fn write(&mut self, bytes: &[u8], deadline: Option<Instant>) -> Result<(), WriteFault> {
        let mut written = 0;
        let error = loop {
            if written == bytes.len() {
                self.open_line = bytes.last().map_or(self.open_line, |&byte| byte != b'\n');
                return Ok(());
            }
            let step = match deadline {
                Some(deadline) => self.wait(Some(deadline)),
                None => Ok(()),
            };
            match step.and_then(|()| rustix::io::write(&self.fd, &bytes[written..])) {
                // No kernel does this for what is opened here; a loop without end would be worse than an error.
                Ok(0) => break Errno::IO,
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match self.wait(deadline) {
                    Ok(()) => {}
                    Err(error) => break error,
                },
                Err(error) => break error,
            }
        };
        let whole = memchr::memrchr(b'\n', &bytes[..written]).map_or(0, |end| end + 1);
        if whole > 0 {
            self.open_line = false;
        }
        if written > whole && self.cut(written - whole).is_err() {
            self.open_line = true;
        }
        Err(WriteFault { lines: memchr::memchr_iter(b'\n', &bytes[..whole]).count(), error })
    }

    /// Takes back the last bytes.
    fn cut(&self, bytes: usize) -> Result<(), Errno> {
        if self.kind != FileType::RegularFile {
            return Err(Errno::SPIPE);
        }
        let end = rustix::fs::seek(&self.fd, SeekFrom::Current(0))?;
        let size = rustix::fs::fstat(&self.fd)?.st_size;
        // Another program has appended since, or logrotate has emptied it.
        if u64::try_from(size) != Ok(end) {
            return Err(Errno::BUSY);
        }
        rustix::fs::ftruncate(&self.fd, end.checked_sub(bytes as u64).ok_or(Errno::INVAL)?)
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), Errno> {
        wait(self.fd.as_fd(), PollFlags::OUT, deadline)
    }
}

fn wait(fd: BorrowedFd<'_>, event: PollFlags, deadline: Option<Instant>) -> Result<(), Errno> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd, event)], timeout.as_ref()) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            // Also when it is broken: the write tells how.
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_pipe(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}
