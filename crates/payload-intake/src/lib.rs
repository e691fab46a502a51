//! Takes named members out of a payload archive that nobody vouches for, and says what an ELF file needs to run.
//!
//! Archives are walked once, as streams: a member's bytes go from the decompressor to the hash and the file, and never stand
//! in memory as a whole. The whole archive is walked even when all members are found, since an abuse behind them
//! ([`IntakeError::UnsafeEntry`], [`IntakeError::Duplicate`]) still refuses it.

mod budget;
mod collector;
mod cpio;
mod deb;
mod decompress;
pub mod elf;
mod error;
mod extract;
mod folder;
mod glibc;
mod kind;
mod member;
mod rpm;
mod serde_text;
mod similar;
mod tarball;
mod zip;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use budget::{Limit, Limits};
pub use collector::{Extracted, Wanted};
pub use error::{EntryKind, IntakeError};
pub use extract::extract;
pub use glibc::{GlibcVersion, GlibcVersionError};
pub use kind::{ArchiveKind, Compression, UnsupportedKind};
pub use member::{FileName, FileNameError, MemberPath, MemberPathError, NameError};
