//! What the wrapper does when: a table, and nothing else.
//!
//! | state    | answered | unanswered | stop      | drained   | overdue   | ended: retry | ended: give up | ended: rejected |
//! |----------|----------|------------|-----------|-----------|-----------|--------------|----------------|-----------------|
//! | starting | ready    | -          | stopping  | -         | -         | waiting      | done: gave up  | done: rejected  |
//! | ready    | -        | not ready  | draining  | -         | -         | waiting      | done: gave up  | done: rejected  |
//! | not ready| ready    | -          | draining  | -         | -         | waiting      | done: gave up  | done: rejected  |
//! | draining | -        | -          | stopping  | stopping  | stopping  | done: stopped| done: stopped  | done: stopped   |
//! | stopping | -        | -          | -         | -         | killing   | done: stopped| done: stopped  | done: stopped   |
//! | killing  | -        | -          | -         | -         | forcing   | done: stopped| done: stopped  | done: stopped   |
//! | forcing  | -        | -          | -         | -         | done: left| done: stopped| done: stopped  | done: stopped   |
//! | waiting  | -        | -          | done: stopped | -     | starting  | -            | -              | -               |
//! | done     | -        | -          | -         | -         | -         | -            | -              | -               |
//!
//! Entering a state does what it is for: starting starts the main process, draining asks for a drain, stopping sends SIGTERM to the
//! main process, killing has the keeper send SIGKILL to all, forcing kills the keeper and then what it leaves. A dash changes nothing.

use std::fmt;

/// What the sidecar is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The main process runs, and has not been ready yet.
    Starting,
    /// It is ready.
    Ready,
    /// It was ready, and no longer says so.
    NotReady,
    /// To be stopped: what is in flight is let finish.
    Draining,
    /// The main process was told to end.
    Stopping,
    /// The keeper was told to kill all.
    Killing,
    /// The keeper itself was killed: what it had comes to the wrapper, which kills it.
    Forcing,
    /// Nothing runs until the next try.
    Waiting,
    /// Nothing runs, nor will.
    Done(Outcome),
}

/// How it all ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Stopped,
    /// Too many runs ended by themselves.
    GaveUp,
    /// The first run ended by itself before it was ready: what it was started with is wrong.
    Rejected,
    /// Processes cannot be killed.
    Left,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The sidecar says that it is ready.
    Answered,
    /// It says that it is not, or nothing.
    Unanswered,
    /// Somebody wants it to end.
    Stop,
    /// Nothing is in flight any more, or nobody can tell.
    Drained,
    /// The state has lasted as long as it may.
    Overdue,
    /// Nothing runs any more, or nothing could be started.
    Ended(Verdict),
}

/// What an end that nobody asked for leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another run, after a while.
    Retry,
    /// See [`Outcome::GaveUp`].
    GiveUp,
    /// See [`Outcome::Rejected`].
    Reject,
}

impl State {
    /// The state after `event`: the table above.
    #[must_use]
    pub const fn after(self, event: Event) -> Self {
        use Event::{Answered, Drained, Ended, Overdue, Stop, Unanswered};
        match (self, event) {
            (Self::Starting | Self::NotReady, Answered) => Self::Ready,
            (Self::Ready, Unanswered) => Self::NotReady,
            // Nothing can be in flight yet.
            (Self::Starting, Stop) | (Self::Draining, Stop | Drained | Overdue) => Self::Stopping,
            (Self::Ready | Self::NotReady, Stop) => Self::Draining,
            (Self::Stopping, Overdue) => Self::Killing,
            (Self::Killing, Overdue) => Self::Forcing,
            (Self::Forcing, Overdue) => Self::Done(Outcome::Left),
            (Self::Waiting, Stop) | (Self::Draining | Self::Stopping | Self::Killing | Self::Forcing, Ended(_)) => {
                Self::Done(Outcome::Stopped)
            }
            (Self::Waiting, Overdue) => Self::Starting,
            (Self::Starting | Self::Ready | Self::NotReady, Ended(verdict)) => match verdict {
                Verdict::Retry => Self::Waiting,
                Verdict::GiveUp => Self::Done(Outcome::GaveUp),
                Verdict::Reject => Self::Done(Outcome::Rejected),
            },
            (state, _) => state,
        }
    }

    /// Whether it was asked to end: no end of a process is a failure then.
    #[must_use]
    pub const fn is_ending(self) -> bool {
        matches!(self, Self::Draining | Self::Stopping | Self::Killing | Self::Forcing | Self::Done(_))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Killing => "killing",
            Self::Forcing => "forcing",
            Self::Waiting => "waiting",
            Self::Done(Outcome::Stopped) => "done: stopped",
            Self::Done(Outcome::GaveUp) => "done: gave up",
            Self::Done(Outcome::Rejected) => "done: rejected",
            Self::Done(Outcome::Left) => "done: left",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 8] = [
        Event::Answered,
        Event::Unanswered,
        Event::Stop,
        Event::Drained,
        Event::Overdue,
        Event::Ended(Verdict::Retry),
        Event::Ended(Verdict::GiveUp),
        Event::Ended(Verdict::Reject),
    ];

    const STATES: [State; 9] = [
        State::Starting,
        State::Ready,
        State::NotReady,
        State::Draining,
        State::Stopping,
        State::Killing,
        State::Forcing,
        State::Waiting,
        State::Done(Outcome::Stopped),
    ];

    /// The table of this file's head, as words.
    fn table() -> Vec<Vec<String>> {
        let rows = include_str!("state.rs").lines().take_while(|line| line.starts_with("//!"));
        let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        rows.filter_map(|row| row.strip_prefix("//! |")).map(|row| cells(row.trim_end_matches('|'))).collect()
    }

    #[test]
    fn every_cell_of_the_table_holds() {
        let table = table();
        assert_eq!(table.len(), 2 + STATES.len(), "a head, a line, and a row for each state");
        for (row, state) in table[2..].iter().zip(STATES) {
            assert_eq!(row.len(), 1 + EVENTS.len(), "{row:?}");
            assert!(state.to_string().starts_with(row[0].as_str()), "{state} in the row {row:?}");
            for (cell, event) in row[1..].iter().zip(EVENTS) {
                let after = state.after(event);
                let expected = if cell == "-" { state.to_string() } else { cell.clone() };
                assert_eq!(after.to_string(), expected, "{state}, {event:?}");
            }
        }
    }

    #[test]
    fn whatever_happens_a_stop_ends_it() {
        for state in STATES {
            let mut state = state.after(Event::Stop);
            for _ in 0..4 {
                state = state.after(Event::Overdue);
            }
            assert!(matches!(state, State::Done(_)), "{state}");
        }
    }

    #[test]
    fn nothing_is_started_once_a_stop_was_asked_for() {
        for first in STATES {
            for second in EVENTS {
                for third in EVENTS {
                    let state = first.after(Event::Stop).after(second).after(third);
                    assert!(state.is_ending(), "{first}: {second:?}, {third:?}: {state}");
                }
            }
        }
    }
}
