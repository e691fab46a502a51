//! The operator's side of releases of onboarding packages, as `cargo xtask dist` makes and `cargo xtask publish` stores them.

pub mod blob;
pub mod catalog;
pub mod cli;
mod commands;
mod failure;
pub mod http;
mod serve;
