//! The operator's side of releases of onboarding packages, as `cargo xtask dist` makes them.
//!
//! [`mod@verify`] compares a tree with its manifest; `serve` answers the URIs that VMs download from.

pub mod blob;
pub mod catalog;
pub mod cli;
mod file;
pub mod http;
mod serve;
pub mod verify;
