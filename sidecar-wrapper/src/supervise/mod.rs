//! Looks after the sidecar: starts it, says how it is, starts it again, and ends it.

mod drain;
mod endings;
mod http;
mod incoming;
mod notify;
mod probe;
mod record;
mod run;
pub mod state;
mod statistics;
mod steps;
mod supervisor;
mod words;

pub use endings::Exit;
pub use record::Record;
pub use run::Outputs;
pub use supervisor::Supervisor;

use std::time::Duration;

/// How long things may take, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What is in flight gets at most this long.
    pub drain: Duration,
    /// A drain takes at least this long, for balancers that have to see that the sidecar is not ready.
    pub drain_minimum: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop: Duration,
    /// So many runs in a row may end by themselves.
    pub restarts: u32,
}

/// From SIGKILL to a stronger means, and from that to giving up.
const KILL: Duration = Duration::from_secs(5);
