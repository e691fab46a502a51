//! What an end leads to: of a run, and of all of them.

use std::time::Duration;

use signal_hook::consts::SIGKILL;

use super::{
    state::{Event, Outcome, Verdict},
    supervisor::Supervisor,
};
use crate::{
    ending::{Ending, OutOfMemory},
    keep,
    launch::Main,
    relay::Level,
    supervise::notify,
    text::visible,
};

/// What the last lines may take to be written.
pub(super) const LAST_LINES: Duration = Duration::from_secs(2);

/// How the wrapper ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As asked.
    Stopped,
    /// Something else is where the sidecar would be.
    Conflict,
    /// The sidecar did not accept what it was started with.
    Rejected,
    /// The sidecar ended by itself too often.
    GaveUp,
    /// Processes of the sidecar cannot be killed.
    Left,
}

impl Supervisor {
    /// A run's keeper has ended; if that was not `clean`, it has left processes to this one.
    pub(super) fn gone(&mut self, clean: bool) -> Event {
        if !clean {
            match keep::sweep(&self.inherited) {
                Ok(killed) => self.say(
                    Level::Warning,
                    format!("the keeper was killed and left {killed} processes: they were killed"),
                ),
                Err(error) => self.say(Level::Error, format!("cannot kill what the keeper left: {error}")),
            }
        }
        let Some(run) = self.run.take() else { return Event::Ended(Verdict::Retry) };
        let (ending, lasted, was_ready, memory) = (run.ending, run.since.elapsed(), run.was_ready, run.memory.since());
        let main = self.launch.main;
        let mut how = match ending {
            Some(ending) => format!("{main} {ending}"),
            None if run.pid.is_some() => format!("{main} was killed with its keeper"),
            None => format!("{main} was not started"),
        };
        let last_error = run.finish(LAST_LINES);
        let memory = memory.filter(|&memory| explains(memory, ending, main));
        if let Some(memory) = memory {
            how = format!("{how}: {memory}");
        }
        self.record.ended(ending, memory);
        if self.state.is_ending() {
            self.say(Level::Info, &how);
            return Event::Ended(Verdict::Retry);
        }
        if let Some(last) = last_error {
            how = format!("{how}; its last error: {}", visible(&last));
        }
        self.say(Level::Error, &how);
        let at_once = self.runs == 1 && !was_ready && ending.is_some_and(|ending| ending.code().is_some());
        self.failed(lasted, at_once)
    }

    /// What a failure leads to. `at_once` is a first run that did not accept what it was given.
    pub(super) fn failed(&mut self, lasted: Duration, at_once: bool) -> Event {
        if at_once {
            return Event::Ended(Verdict::Reject);
        }
        Event::Ended(match self.backoff.ended(lasted, random()) {
            Some(pause) => {
                self.pause = pause;
                Verdict::Retry
            }
            None => Verdict::GiveUp,
        })
    }

    pub(super) fn end(self, outcome: Outcome) -> Exit {
        let main = self.launch.main;
        let (exit, message) = match outcome {
            Outcome::Stopped => (Exit::Stopped, None),
            Outcome::Rejected if self.conflict => (Exit::Conflict, None),
            Outcome::Rejected => {
                let why = match main {
                    Main::Envoy => "Envoy did not accept what it was started with: see its lines above",
                    Main::PilotAgent { .. } => "pilot-agent could not start the sidecar: see its lines above",
                };
                (Exit::Rejected, Some(why.to_owned()))
            }
            Outcome::GaveUp => (
                Exit::GaveUp,
                // It may have ended each time, or not been started at all.
                Some(format!(
                    "giving up after {} restarts: the lines above say why {main} does not run",
                    self.policy.restarts
                )),
            ),
            Outcome::Left => {
                (Exit::Left, Some("processes of the sidecar cannot be killed: the kernel holds them".to_owned()))
            }
        };
        if let Some(message) = message {
            notify::status(&message);
            self.say(Level::Error, message);
        }
        // By its lock, one that stays is known to be old.
        let _ = self.record.close();
        exit
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without it, all sidecars wait equally long.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// Whether a process that the kernel killed for want of memory was this one. pilot-agent ends with 0 when that was its Envoy.
fn explains(memory: OutOfMemory, ending: Option<Ending>, main: Main) -> bool {
    match ending {
        Some(Ending::Killed { signal, .. }) => signal == SIGKILL,
        Some(Ending::Exited(_)) => memory == OutOfMemory::Here && matches!(main, Main::PilotAgent { .. }),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Main, OutOfMemory, explains};

    #[test]
    fn memory_explains_a_kill_and_the_end_of_pilot_agent() {
        use OutOfMemory::{Here, Somewhere};
        let killed = |signal| Some(Ending::Killed { signal, core: false });
        let pilot_agent = Main::PilotAgent { status_port: 15020 };
        for (memory, ending, main, expected) in [
            (Here, killed(9), Main::Envoy, true),
            (Somewhere, killed(9), Main::Envoy, true),
            (Here, killed(11), Main::Envoy, false),
            (Here, Some(Ending::Exited(0)), Main::Envoy, false),
            (Here, Some(Ending::Exited(0)), pilot_agent, true),
            (Somewhere, Some(Ending::Exited(0)), pilot_agent, false),
        ] {
            assert_eq!(explains(memory, ending, main), expected, "{memory:?} {ending:?} {main:?}");
        }
    }
}
