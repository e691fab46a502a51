//! The wrapper with the Envoy of the dist tree, in a network and process IDs of its own.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod blind;
mod cycles;
mod disk;
mod hardship;
mod life;
mod limits;
mod orphans;
mod pilot_agent;
mod place;
mod ports;
mod rejects;
mod service;
mod signals;
mod thrift;
mod traffic;
