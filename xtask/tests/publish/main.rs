//! `cargo xtask publish` as a process: what it prints, and what it leaves when it is killed or the disk is full.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod disk;
mod killed;
mod printed;
mod store;
