//! Compresses a large payload once and puts the same bytes into every package that carries it.
//!
//! An .xz stream is a list of self-contained blocks and an index of them. [`BlockCache`] compresses a file into such
//! blocks and keeps them; [`deb::splice`] and [`rpm::splice`] take a small package that was made without the payload and
//! write one that has it, blocks unchanged, inside its `data.tar.xz` or cpio payload. Both also normalise: every time is
//! the release's, every order is fixed, so that the same inputs give the same bytes on any machine. [`inspect`] reads
//! packages back, independently of how they were written.
//!
//! What readers of packages need from the stream: one stream (dpkg and rpm do not read concatenated ones), no filter but
//! LZMA2 (old readers lack the others), and a dictionary of at most 64 MiB (rpm decodes with 100 MiB of memory).

mod ar;
mod body;
mod cache;
mod codec;
mod compress;
mod cpio;
pub mod deb;
mod digest;
pub mod inspect;
mod level;
mod package_path;
mod payload;
mod pieces;
pub mod rpm;
mod tar;
mod unpack;
mod xz;

pub use cache::{BlockCache, CacheError};
pub use codec::CodecError;
pub use digest::Md5Digest;
pub use level::{Level, LevelError};
pub use package_path::{PackagePath, PackagePathError};
pub use payload::{CompressedPayload, Finish, ImageError, PayloadFile, Written};
