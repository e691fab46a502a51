//! The operator's side of releases: lists, checks, rolls back and cleans what `cargo xtask publish` put into a store, and
//! checks a tree as `cargo xtask dist` makes it.

pub mod cli;
mod commands;
mod failure;
