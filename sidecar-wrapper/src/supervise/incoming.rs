//! All that happens to the wrapper comes through one channel.

use std::{
    io::{self, Read},
    sync::mpsc::Sender,
    thread,
};

use signal_hook::iterator::Signals;

use super::probe::Answer;
use crate::{keep::KeepEvent, signals};

/// What happened. Runs are numbered, so that what an earlier one still says is not taken for the present one's.
#[derive(Debug)]
pub(super) enum Incoming {
    Signal(i32),
    /// Whoever holds the other end of stdin wants no sidecar any more.
    StdinEnded,
    Keep {
        run: u32,
        event: KeepEvent,
    },
    Answer {
        run: u32,
        answer: Answer,
    },
    InFlight {
        run: u32,
        requests: u64,
    },
    Drained {
        run: u32,
    },
}

/// From here on, signals are heard and do not end this program.
pub(super) fn listen_to_signals(sender: Sender<Incoming>) -> io::Result<()> {
    let mut heard = Signals::new(signals::caught())?;
    thread::Builder::new().name("signals".to_owned()).stack_size(64 << 10).spawn(move || {
        for signal in &mut heard {
            // Nobody listens any more when all is done.
            if sender.send(Incoming::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Says when stdin ends.
pub(super) fn listen_to_stdin(sender: Sender<Incoming>) -> io::Result<()> {
    thread::Builder::new().name("stdin".to_owned()).stack_size(64 << 10).spawn(move || {
        let mut ignored = [0; 256];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut ignored) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = sender.send(Incoming::StdinEnded);
    })?;
    Ok(())
}
