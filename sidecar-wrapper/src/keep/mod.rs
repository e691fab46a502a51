//! The keeper: a small process between the wrapper and what it looks after, so that nothing is left when the wrapper is killed.
//!
//! The wrapper starts `sidecar-wrapper keep`, which is this same program, with a socket as its stdin. The keeper starts pilot-agent
//! or Envoy and takes over whatever processes those leave behind (`PR_SET_CHILD_SUBREAPER`). It kills them all when their main
//! process ends, when it is told to, and when the socket closes, which is how the end of the wrapper looks, whatever it was killed
//! by. If the keeper is killed, the wrapper takes its orphans over and does the same. A parent-death signal alone would not do: it
//! reaches no grandchildren, such as pilot-agent's Envoy, and the kernel drops it when a program has file capabilities.

mod child;
mod handle;
mod keeper;
mod orphans;

use serde::{Deserialize, Serialize};

pub use child::{CANNOT_BECOME, become_program};
pub use handle::{KeepEvent, Keeper};
pub use keeper::keep;
pub use orphans::{children, sweep};

/// Names the program of the child for `ps`, in the 15 bytes that the kernel keeps. `pkill sidecar-wrapper` must not match it.
const KEEPER_NAME: &std::ffi::CStr = c"sidecar-keeper";

/// What the wrapper tells the keeper: one byte each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// SIGTERM to the main process, and to no other: pilot-agent ends its Envoy itself.
    Terminate,
    /// SIGKILL to all.
    Kill,
}

impl Order {
    const fn byte(self) -> u8 {
        match self {
            Self::Terminate => b'T',
            Self::Kill => b'K',
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Terminate, Self::Kill].into_iter().find(|order| order.byte() == byte)
    }
}

/// What the keeper tells the wrapper: a line of JSON each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Report {
    /// The main process runs.
    Started { pid: u32 },
    /// There is no main process: the system refused, with that error number.
    Failed { errno: i32 },
    /// The main process ended, with that raw status of wait(2).
    Ended { status: i32 },
    /// Everything that it left has ended too: so many.
    Swept { killed: u32 },
}
