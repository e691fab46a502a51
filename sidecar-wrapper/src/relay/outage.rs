//! What is said when a destination fails, and when it works again.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::io::Errno;

/// A disk that is full still takes a short line now and then; that is no end of the outage.
const QUIET: Duration = Duration::from_secs(1);

/// Where lines go that their own destination does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// To the fallback.
    Diverted,
    /// Nowhere.
    Dropped,
}

/// The outages of one output.
#[derive(Debug, Default)]
pub(super) struct Outages {
    /// So that a line does not cost a lock.
    on: AtomicBool,
    current: Mutex<Option<Outage>>,
}

/// From the first line that was not taken until none has been refused for [`QUIET`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    diverted: u64,
    dropped: u64,
    refused: Instant,
    /// A write has succeeded since.
    taken: bool,
}

impl Outages {
    /// Counts lines that were refused. Tells whether the outage is new.
    pub(super) fn count(&self, fate: Fate, lines: u64) -> bool {
        let mut current = self.lock();
        let new = current.is_none();
        let now = Instant::now();
        let outage = current.get_or_insert(Outage { diverted: 0, dropped: 0, refused: now, taken: false });
        (outage.refused, outage.taken) = (now, false);
        match fate {
            Fate::Diverted => outage.diverted += lines,
            Fate::Dropped => outage.dropped += lines,
        }
        self.on.store(true, Ordering::Release);
        new
    }

    /// A write has succeeded. Returns the outage that is over with it.
    pub(super) fn taken(&self) -> Option<Outage> {
        if !self.on.load(Ordering::Acquire) {
            return None;
        }
        let mut current = self.lock();
        current.as_mut()?.taken = true;
        self.end_if(&mut current, |outage| outage.refused.elapsed() >= QUIET)
    }

    /// Nothing more is to be written for now. Returns the outage that is over, as far as that is known.
    pub(super) fn settle(&self) -> Option<Outage> {
        self.end_if(&mut self.lock(), |outage| outage.taken)
    }

    /// How many lines are lost so far in an outage that goes on.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().map_or(0, |outage| outage.dropped)
    }

    fn end_if(&self, current: &mut Option<Outage>, over: impl FnOnce(&mut Outage) -> bool) -> Option<Outage> {
        let ended = current.take_if(over)?;
        self.on.store(false, Ordering::Release);
        Some(ended)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outage>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to say at the start.
pub(super) fn start(name: &str, error: Errno, fate: Fate) -> String {
    let error = std::io::Error::from(error);
    match fate {
        Fate::Diverted => format!("cannot write to {name}: {error}; its lines follow here"),
        Fate::Dropped => format!("cannot write to {name}: {error}; its lines are dropped"),
    }
}

impl fmt::Display for Outage {
    /// What became of the lines, to go after what happened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lines that went elsewhere meanwhile: {}, lines dropped: {}", self.diverted, self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn one_write_that_works_does_not_end_an_outage() {
        let outages = Outages::default();
        assert!(outages.taken().is_none());
        assert!(outages.count(Fate::Diverted, 2));
        assert!(outages.taken().is_none());
        assert!(!outages.count(Fate::Dropped, 1), "the same outage");
        assert!(outages.settle().is_none(), "the last write was refused");
        assert_eq!(outages.dropped(), 1);
        thread::sleep(QUIET);
        let outage = outages.taken().expect("it is over");
        assert_eq!((outage.diverted, outage.dropped), (2, 1));
        assert!(outages.taken().is_none() && outages.count(Fate::Diverted, 1), "a new one");
        assert!(outages.taken().is_none());
        assert!(outages.settle().is_some(), "nothing more comes");
    }
}
