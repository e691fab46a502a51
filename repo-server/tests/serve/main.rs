//! The real program, asked over sockets and by the clients that people use.
//!
//! redbot and a browser are asked only with the feature `judges`, which `cargo xtask test` turns on. A missing judge is a
//! failure.

#[cfg(feature = "judges")]
mod chromium;
mod clients;
mod nginx;
mod operations;
#[cfg(feature = "judges")]
mod page;
#[cfg(feature = "judges")]
mod redbot;
#[cfg(feature = "servers")]
mod remote;
mod replicas;
mod semantics;
mod store;
mod switching;
mod table;
mod tls;

use testkit::{raw, server, tree};
