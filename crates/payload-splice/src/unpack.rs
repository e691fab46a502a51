//! Decoding the small parts of packages, whatever compressed them.

use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::xz::{XzError, decoder};

/// What a base package or the control part of a package may unpack to: a bound against damage, far above any real one.
const LIMIT: u64 = 256 << 20;

/// Compressed data cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The decoder.
    #[error("cannot decompress")]
    Read(#[source] io::Error),
    /// The .xz container.
    #[error(transparent)]
    Xz(#[from] XzError),
    /// It goes on after 256 MiB.
    #[error("it unpacks to more than 256 MiB")]
    TooLarge,
}

/// Decodes `data`, which may be none, gzip, xz or zstd: told by its first bytes.
pub(crate) fn reader<'a>(data: &'a [u8]) -> Result<Box<dyn Read + 'a>, UnpackError> {
    Ok(match data {
        [0x1f, 0x8b, ..] => Box::new(GzDecoder::new(data)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(decoder(data)?),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(data).map_err(UnpackError::Read)?),
        _ => Box::new(data),
    })
}

/// Decodes all of `data` in memory.
pub(crate) fn unpack(data: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    reader(data)?.take(LIMIT + 1).read_to_end(&mut unpacked).map_err(UnpackError::Read)?;
    if unpacked.len() as u64 > LIMIT { Err(UnpackError::TooLarge) } else { Ok(unpacked) }
}
