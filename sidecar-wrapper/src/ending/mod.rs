//! How a process ended, and whether the kernel did it for want of memory.

mod memory;

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

pub use memory::{MemoryWatch, OutOfMemory};
use signal_hook::low_level::signal_name;

/// How a process ended. Its text continues a sentence that begins with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exited(i32),
    /// By a signal.
    Killed {
        /// Its number on this machine.
        signal: i32,
        /// Whether the kernel wrote the memory to a file, or to a program for such.
        core: bool,
    },
}

impl Ending {
    /// From what wait(2) gives; none while the process only stopped or continued.
    #[must_use]
    pub fn from_raw(status: i32) -> Option<Self> {
        let status = ExitStatus::from_raw(status);
        let killed = || Some(Self::Killed { signal: status.signal()?, core: status.core_dumped() });
        status.code().map(Self::Exited).or_else(killed)
    }

    /// If it ended by itself.
    #[must_use]
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            Self::Killed { .. } => None,
        }
    }

    /// If a signal ended it.
    #[must_use]
    pub const fn signal(self) -> Option<i32> {
        match self {
            Self::Exited(_) => None,
            Self::Killed { signal, .. } => Some(signal),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(f, "ended with code {code}"),
            Self::Killed { signal, core } => {
                match signal_name(signal) {
                    Some(name) => write!(f, "was killed by {name}")?,
                    None => write!(f, "was killed by signal {signal}")?,
                }
                f.write_str(if core { " (core dumped)" } else { "" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As wait(2) has it.
    fn ending(raw: i32) -> Option<Ending> {
        Ending::from_raw(raw)
    }

    #[test]
    fn reads_what_wait_says() {
        for (raw, expected, text) in [
            (0, Ending::Exited(0), "ended with code 0"),
            (0x100, Ending::Exited(1), "ended with code 1"),
            (0xff00, Ending::Exited(255), "ended with code 255"),
            (9, Ending::Killed { signal: 9, core: false }, "was killed by SIGKILL"),
            (0x8b, Ending::Killed { signal: 11, core: true }, "was killed by SIGSEGV (core dumped)"),
            (34, Ending::Killed { signal: 34, core: false }, "was killed by signal 34"),
        ] {
            assert_eq!(ending(raw), Some(expected));
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn a_process_that_stopped_has_not_ended() {
        let (stopped, continued) = (0x137f, 0xffff);
        assert_eq!(ending(stopped), None);
        assert_eq!(ending(continued), None);
    }
}
