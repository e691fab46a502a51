//! Blobs in memory, and the bodies that are made of them.

mod body;
mod cache;
mod resident;

pub use body::{Body, Meter, Outlet, Segment};
pub use cache::{BlobCache, Found, Need};
pub use resident::{BlobFault, Filler, PIECE, Reader, Resident};
