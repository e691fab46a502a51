//! The operator's side of a tree of onboarding packages, as `cargo xtask dist` makes it.
//!
//! This version verifies a tree against its manifest ([`mod@verify`]).

pub mod cli;
mod file;
pub mod verify;
