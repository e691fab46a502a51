//! The sidecar's output on its way into the log.
//!
//! A thread for each stream reads the child's pipe and writes to an [`Output`]: the wrapper's own stdout or stderr, or a
//! file that can be opened again. It sleeps while the child says nothing.
//!
//! * Lines go byte for byte as they are. If the output is the journal's, each has its level before it, as in
//!   sd-daemon(3); the levels come from the formats of Envoy, pilot-agent and Go's runtime.
//! * A write has whole lines. A line that has no end yet waits for it, for the buffer to be full, or for the end of the
//!   pipe, which gives it a line end. Only the parts of a line longer than a buffer are written one by one; who else
//!   wants to write waits a quarter of a second for its end, and then breaks it by a line end.
//! * A reader that is slow holds up the child, once the pipe is full. Lines that a file does not take go to the fallback
//!   and are dropped only if that does not take them either; if stdout has no reader any more its lines are dropped. The
//!   fallback says so once, and how many when it is over. A line is in one place: what a file took of it is cut off.
//!   (Except of lines longer than a buffer: their parts may be in both.)

mod copy;
mod error;
mod format;
mod json;
mod level;
mod lines;
mod outage;
mod output;
mod sink;
mod turn;

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{fs::OFlags, pipe::PipeFlags};

use copy::Copier;
use lines::LastError;

pub use error::RelayError;
pub use level::Level;
pub use output::{Destination, Message, Output};

/// What a pipe holds while the journal is restarted: Linux allows this much to everybody unless told otherwise.
const PIPE: usize = 1 << 20;
/// Far more than the copying needs; eight megabytes, the default, count as memory in some people's limits.
const STACK: usize = 128 * 1024;
/// How long the start of a line has to be written once nobody waits for its end.
const FLUSH: Duration = Duration::from_millis(100);

/// Which of a child's streams it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Access logs and pilot-agent's log.
    Stdout,
    /// Envoy's log.
    Stderr,
}

impl Stream {
    /// Of a line that names none.
    const fn level(self) -> Level {
        match self {
            Self::Stdout => Level::Info,
            Self::Stderr => Level::Warning,
        }
    }

    const fn thread(self) -> &'static str {
        match self {
            Self::Stdout => "relay-stdout",
            Self::Stderr => "relay-stderr",
        }
    }
}

/// One run's stream. It is copied until the end of the pipe, also after this is dropped.
#[derive(Debug)]
pub struct Relay {
    last_error: Arc<LastError>,
    /// Disconnected at the end; told that the start of a line is written.
    end: Receiver<()>,
    /// Hangs up when it is closed.
    stay: Option<OwnedFd>,
}

impl Relay {
    /// Starts to copy what comes from `pipe`, of which this is the only reader. `fallback` is the wrapper's stderr.
    pub fn start(pipe: OwnedFd, stream: Stream, output: Arc<Output>, fallback: Arc<Output>) -> io::Result<Self> {
        rustix::fs::fcntl_setfl(&pipe, rustix::fs::fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        let (left, stay) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let (flushed, end) = mpsc::sync_channel(1);
        let last_error = Arc::new(LastError::default());
        let copier = Copier::new(pipe, stream.level(), output, fallback, Arc::clone(&last_error));
        thread::Builder::new().name(stream.thread().to_owned()).stack_size(STACK).spawn(move || {
            copier.run(&left, || {
                // Nobody may listen any longer.
                let _ = flushed.try_send(());
            });
            drop(flushed);
        })?;
        Ok(Self { last_error, end, stay: Some(stay) })
    }

    /// The newest line that names a level of error or worse, of at most 512 bytes. Lines that continue it, and stack
    /// frames, are not in it.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error.get()
    }

    /// Waits for the end of the pipe, which comes when the last process that has it ends, and for its last line to be
    /// written. If that takes longer, the start of a line that is there is written, and the copying goes on.
    #[must_use]
    pub fn finish(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            match self.end.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                // Of an earlier call.
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        self.stay = None;
        // Whether it was in time is all the same: more cannot be done.
        let _ = self.end.recv_timeout(FLUSH);
        false
    }
}

/// A pipe for a child's stream, as large as the system allows: its reader and its writer, both closed on exec.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    // A user with many pipes gets small ones, which work as well.
    let _ = [PIPE, PIPE / 4].into_iter().find(|&size| rustix::pipe::fcntl_setpipe_size(&writer, size).is_ok());
    Ok((reader, writer))
}
