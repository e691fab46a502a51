//! The real program, asked over sockets and by the clients that people use.

mod clients;
mod operations;
mod raw;
mod semantics;
mod server;
mod store;
mod switching;
mod tls;
mod tree;
