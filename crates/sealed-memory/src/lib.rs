//! Memory that is written once, from its beginning to its end, and then by nobody.
//!
//! It is a file of the kernel's that has no name (`memfd_create(2)`) and cannot shrink, so that it can be read in place like any
//! memory, and sent to a socket by `sendfile(2)`, without a copy. A file on a disk would do for the second, but whoever truncates
//! it while it is mapped kills the process, and whoever writes to it changes what was verified.

mod sealed;
mod writer;

pub use sealed::Sealed;
pub use writer::Writer;
