//! What the work needs on this machine, how to see that it is there, and how to install it.

mod install;
mod needs;

pub(crate) use install::install;
pub(crate) use needs::Need;
