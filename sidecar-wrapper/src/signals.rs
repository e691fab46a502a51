//! The signals that this program hears.

use std::{
    fs,
    io::{self, IsTerminal},
    sync::{Arc, atomic::AtomicBool},
};

use nix::sys::signal::SigSet;
use signal_hook::consts::signal::{
    SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};

/// Of Linux on every architecture that packages are made for.
const SIGSTKFLT: i32 = 16;
const SIGPWR: i32 = 30;
/// The first that the C library leaves to programs, and the last.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// All that would end a program, and that are no defect of it.
pub fn caught() -> impl Iterator<Item = i32> {
    const NAMED: [i32; 14] = [
        SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU, SIGXFSZ,
        SIGSTKFLT, SIGPWR,
    ];
    NAMED.into_iter().chain(REAL_TIME)
}

/// Undoes what the program that started this one may have done to signals, for this process and all that it starts: with SIGTERM
/// blocked nobody could stop it, and with SIGCHLD ignored nobody would hear how a child ended.
pub fn start_afresh() -> io::Result<()> {
    SigSet::empty().thread_set_mask()?;
    // A handler in the place of being ignored; it is gone in what this process starts.
    signal_hook::flag::register(SIGCHLD, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// What the wrapper does about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// End the sidecar: drain first; the second time, at once.
    Stop,
    /// Open the log files again, as logrotate wants.
    Reopen,
    /// Nothing. pilot-agent and Envoy never see it.
    Nothing,
}

/// What signals mean to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    hangup: Meaning,
}

impl Signals {
    /// On a terminal, SIGHUP says that it is closed, unless nohup has the process outlive it. Must be called before signals are caught.
    #[must_use]
    pub fn of_this_process() -> Self {
        let on_terminal = io::stdin().is_terminal() || io::stderr().is_terminal();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = if on_terminal && !is_ignored(SIGHUP, &status) { Meaning::Stop } else { Meaning::Reopen };
        Self { hangup }
    }

    /// See [`Meaning`].
    #[must_use]
    pub const fn meaning(self, signal: i32) -> Meaning {
        match signal {
            SIGTERM | SIGINT | SIGQUIT => Meaning::Stop,
            SIGHUP => self.hangup,
            SIGUSR1 => Meaning::Reopen,
            _ => Meaning::Nothing,
        }
    }
}

/// By `/proc/self/status`.
fn is_ignored(signal: i32, status: &str) -> bool {
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::{SIGHUP, is_ignored};

    #[test]
    fn reads_what_is_ignored() {
        assert!(is_ignored(SIGHUP, "Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!is_ignored(SIGHUP, "Name:\tx\nSigIgn:\t0000000000001000\n"));
        assert!(!is_ignored(SIGHUP, ""));
    }
}
