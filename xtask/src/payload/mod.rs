//! From a source in the manifest to the files that a package carries: fetched once, checked against the lock, cached by
//! digest.

mod download;
mod fetch;
mod resolve;
mod store;
mod strip;

pub(crate) use fetch::{Fetcher, hash_file};
pub(crate) use resolve::resolve;
pub(crate) use store::{Installed, ready};
pub(crate) use strip::Strip;
