//! Where lines go.

use std::{
    ffi::OsStr,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    error::RelayError,
    level::Level,
    outage::{Outage, Outages},
    sink::{Sink, WriteFault},
    turn::{Turns, WriterId},
};

/// How long the supervisor waits for a reader of its own words. What it cannot say by then is said before the next line.
const SAY_WITHIN: Duration = Duration::from_secs(1);
/// How much of its words is kept meanwhile.
const UNSAID: usize = 16 * 1024;
/// Of one text: a pipe takes as much at once or not at all.
const MAX_TEXT: usize = 4000;
/// How long logrotate's script waits at most.
const REOPEN_WITHIN: Duration = Duration::from_secs(5);

/// What the settings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The wrapper's own.
    Stdout,
    /// The wrapper's own.
    Stderr,
    /// A file; a relative path counts from the wrapper's working directory.
    File(PathBuf),
}

impl Destination {
    /// `/dev/stdout` and `/dev/stderr` are the wrapper's own: they cannot be opened by path when they are sockets of the
    /// journal.
    #[must_use]
    pub fn named(path: PathBuf) -> Self {
        match path.to_str() {
            Some("/dev/stdout") => Self::Stdout,
            Some("/dev/stderr") => Self::Stderr,
            _ => Self::File(path),
        }
    }

    fn normalized(&self) -> Self {
        match self {
            Self::File(path) => Self::named(path.clone()),
            _ => self.clone(),
        }
    }
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Byte for byte.
    Plain,
    /// With each line's level before it.
    Journal,
}

/// A destination. It outlives the runs of the sidecar.
#[derive(Debug)]
pub struct Output {
    name: String,
    /// To open again.
    path: Option<PathBuf>,
    form: Form,
    turns: Turns,
    /// Locked by whoever has the turn, so nobody waits for it.
    sink: Mutex<Sink>,
    unsaid: Mutex<Vec<u8>>,
    outages: Outages,
    writers: AtomicU64,
}

/// See [`Output::message`].
#[derive(Debug)]
pub struct Message<'a> {
    output: &'a Output,
    level: Level,
    text: Vec<u8>,
}

impl Write for Message<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        self.output.speak(self.level, "", &String::from_utf8_lossy(&self.text));
    }
}

/// How a batch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With a line.
    Line,
    /// Inside a line of that level, whose head this writer has written before.
    Inside(Level),
}

impl Output {
    /// Opens it. `journal_stream` is the value of the variable `JOURNAL_STREAM`.
    pub fn open(destination: &Destination, journal_stream: Option<&OsStr>) -> Result<Arc<Self>, RelayError> {
        match destination.normalized() {
            Destination::Stdout => Self::own("stdout", io::stdout().as_fd().try_clone_to_owned(), journal_stream),
            Destination::Stderr => Self::own("stderr", io::stderr().as_fd().try_clone_to_owned(), journal_stream),
            Destination::File(path) => {
                let sink = Sink::open(&path)?;
                Ok(Self::new(path.display().to_string(), Some(path), sink, journal_stream))
            }
        }
    }

    /// Opens several. Those that lead to the same file, pipe or socket are one, so that lines do not mix.
    pub fn open_all<const N: usize>(
        destinations: [&Destination; N],
        journal_stream: Option<&OsStr>,
    ) -> Result<[Arc<Self>; N], RelayError> {
        let mut outputs: Vec<Arc<Self>> = Vec::with_capacity(N);
        for destination in destinations {
            let output = Self::open(destination, journal_stream)?;
            let identity = output.identity();
            let same = outputs.iter().find(|other| identity.is_some() && other.identity() == identity);
            outputs.push(same.map_or(output, Arc::clone));
        }
        Ok(outputs.try_into().expect("one for each destination"))
    }

    /// Writes to what is open already, by the name that messages use.
    pub fn from_fd(name: &str, fd: OwnedFd, journal_stream: Option<&OsStr>) -> Result<Arc<Self>, RelayError> {
        Self::own(name, Ok(fd), journal_stream)
    }

    fn own(name: &str, fd: io::Result<OwnedFd>, journal_stream: Option<&OsStr>) -> Result<Arc<Self>, RelayError> {
        let sink = fd.and_then(Sink::new).map_err(|source| RelayError::Stream { name: name.to_owned(), source })?;
        Ok(Self::new(name.to_owned(), None, sink, journal_stream))
    }

    fn new(name: String, path: Option<PathBuf>, sink: Sink, journal_stream: Option<&OsStr>) -> Arc<Self> {
        let form = if sink.is_journal(journal_stream) { Form::Journal } else { Form::Plain };
        Arc::new(Self {
            name,
            path,
            form,
            turns: Turns::default(),
            sink: Mutex::new(sink),
            unsaid: Mutex::default(),
            outages: Outages::default(),
            writers: AtomicU64::new(0),
        })
    }

    /// Opens a file again by its name, after logrotate has moved it. No line is lost and none is there twice; one that is
    /// longer than a buffer may go on in the new file. After a failure, which the old file says too, lines go on there.
    /// The wrapper's own streams stay as they are.
    pub fn reopen(&self) -> Result<(), RelayError> {
        let Some(path) = &self.path else { return Ok(()) };
        let reopened = self.replace(path);
        if let Err(error) = &reopened {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            self.say(Level::Error, &format!("{error}{cause}; the lines stay in the file that was open"));
        }
        reopened
    }

    fn replace(&self, path: &Path) -> Result<(), RelayError> {
        let sink = Sink::open(path)?;
        let deadline = Instant::now() + REOPEN_WITHIN;
        let busy = || RelayError::Busy { name: self.name.clone() };
        let turn = self.turns.take(self.writer(), Some(deadline)).ok_or_else(busy)?;
        let mut current = self.sink();
        if current.open_line() {
            // The file that goes is as whole as it can be.
            let _ = current.write(b"\n", Some(deadline));
        }
        *current = sink;
        drop(current);
        drop(turn);
        Ok(())
    }

    /// Writes the wrapper's own words, each line of `text` after `sidecar-wrapper: `.
    ///
    /// It waits a second at most. What is not taken by then, or fails, goes before the next line; 16 KiB are kept.
    pub fn say(&self, level: Level, text: &str) {
        self.speak(level, "sidecar-wrapper: ", text);
    }

    /// The same for a message that is written bit by bit and says itself whose it is; it is said when the value goes.
    #[must_use]
    pub fn message(&self, level: Level) -> Message<'_> {
        Message { output: self, level, text: Vec::new() }
    }

    fn speak(&self, level: Level, speaker: &str, text: &str) {
        let mut said = Vec::with_capacity(text.len() + 32);
        for line in text[..text.floor_char_boundary(MAX_TEXT)].lines() {
            if self.form == Form::Journal {
                said.extend_from_slice(level.prefix());
            }
            said.extend_from_slice(speaker.as_bytes());
            said.extend_from_slice(line.as_bytes());
            said.push(b'\n');
        }
        {
            let mut unsaid = self.unsaid();
            if unsaid.len() + said.len() <= UNSAID {
                unsaid.append(&mut said);
            }
        }
        let deadline = Instant::now() + SAY_WITHIN;
        if let Some(_turn) = self.turns.take(self.writer(), Some(deadline)) {
            // Kept for later.
            let _ = self.begin(&mut self.sink(), Some(deadline));
        }
    }

    /// Writes a batch of a stream, in this output's form. What follows a batch that ends inside a line must come from the
    /// same writer and start [`Start::Inside`]. Returns the outage that this write ended.
    pub(super) fn write(&self, who: WriterId, start: Start, bytes: &[u8]) -> Result<Option<Outage>, WriteFault> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut turn = self.turns.take(who, None).expect("it waits without a limit");
        let mut sink = self.sink();
        match start {
            Start::Inside(_) if turn.goes_on() => {}
            Start::Inside(level) => {
                self.begin(&mut sink, None)?;
                if self.form == Form::Journal {
                    // The rest of a line that somebody broke is a line of its own.
                    sink.write(level.prefix(), None)?;
                }
            }
            Start::Line => self.begin(&mut sink, None)?,
        }
        sink.write(bytes, None)?;
        if sink.open_line() {
            turn.ends_inside_a_line();
        } else {
            // Somebody may have waited in vain while this was written.
            let _ = self.begin(&mut sink, None);
        }
        Ok(self.outages.taken())
    }

    /// Ends a line that nobody goes on with, and says what is unsaid.
    fn begin(&self, sink: &mut Sink, deadline: Option<Instant>) -> Result<(), WriteFault> {
        let none = |fault: WriteFault| WriteFault { lines: 0, ..fault };
        if sink.open_line() {
            sink.write(b"\n", deadline).map_err(none)?;
        }
        // Not locked meanwhile: who has something to say must not wait for this write.
        let mut unsaid = std::mem::take(&mut *self.unsaid());
        let mut done = 0;
        let mut outcome = Ok(());
        // One line at a time: what is said is said once, also when a later one fails.
        while outcome.is_ok() && done < unsaid.len() {
            let end = memchr::memchr(b'\n', &unsaid[done..]).map_or(unsaid.len(), |end| done + end + 1);
            outcome = sink.write(&unsaid[done..end], deadline).map_err(none);
            done = if outcome.is_ok() { end } else { done };
        }
        if done < unsaid.len() {
            let mut newer = self.unsaid();
            unsaid.drain(..done);
            unsaid.append(&mut newer);
            *newer = unsaid;
        }
        outcome
    }

    /// A writer that has not written yet.
    pub(super) fn writer(&self) -> WriterId {
        WriterId(self.writers.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) const fn form(&self) -> Form {
        self.form
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn outages(&self) -> &Outages {
        &self.outages
    }

    fn identity(&self) -> Option<(u64, u64)> {
        self.sink().identity().ok()
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsaid(&self) -> MutexGuard<'_, Vec<u8>> {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
