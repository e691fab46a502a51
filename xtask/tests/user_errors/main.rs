//! What users meet when they give the wrong thing or the machine fails: `xtask` itself is run, on small payloads.
//!
//! An error has its exit code, its message, its hint and nothing on stdout, and the last good tree stands as it was.

mod cache;
mod disk;
mod downloads;
mod flags;
mod https_errors;
mod interruptions;
mod lock;
mod make;
mod manifest;
mod payloads;
mod server;
mod site;
mod snapshot;
