//! The real program, asked over sockets and by the clients that people use.

mod clients;
mod operations;
mod semantics;
mod store;
mod switching;
mod tls;

use testkit::{raw, server, tree};
