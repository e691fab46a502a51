//! One suite for every kind of store, and what only some of them can show.
//!
//! Real servers are started only with the feature `servers`, which `cargo xtask test` turns on and installs them for. A
//! server that is missing fails the test.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod conformance;
mod garbage;
mod local;
mod place;
#[cfg(feature = "servers")]
mod servers;

use place::Place;

#[test]
fn memory_conforms() {
    conformance::run(&Place::memory());
}

#[test]
fn a_local_directory_conforms() {
    conformance::run(&Place::local());
}
