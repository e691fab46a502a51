use std::io::{self, BufRead, Read};

use crate::{Compression, IntakeError, budget::skip, collector::Collector, cpio, decompress::decoder};

const LEAD: u64 = 96;
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// What rpm itself allows a header's data to be.
const HEADER_MOST: u64 = 256 << 20;

/// Walks the payload of a package of format 3 or 4. Both headers are stepped over: the payload tells by itself how it is
/// compressed and what it holds.
pub(crate) fn walk(mut package: impl BufRead, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    skip(&mut package, LEAD).map_err(|error| collector.failed(error))?;
    let signature = skip_header(&mut package, collector)?;
    skip(&mut package, signature.next_multiple_of(8) - signature).map_err(|error| collector.failed(error))?;
    skip_header(&mut package, collector)?;

    let mut head = [0; 6];
    package.read_exact(&mut head).map_err(|error| collector.failed(error))?;
    let compression = match Compression::by_magic(&head) {
        Some(compression) => compression,
        None if head.starts_with(b"07070") => Compression::Plain,
        None => {
            return Err(collector.unsupported(format!("a payload that begins with `{}`", head.escape_ascii())));
        }
    };
    let payload = io::Cursor::new(head).chain(package);
    let stream = decoder(compression, payload).map_err(|error| collector.failed(error))?;
    cpio::walk(stream, collector)
}

/// Steps over a header structure and tells its size.
fn skip_header(package: &mut impl Read, collector: &Collector<'_>) -> Result<u64, IntakeError> {
    let mut intro = [0; 16];
    package.read_exact(&mut intro).map_err(|error| collector.failed(error))?;
    if intro[..4] != HEADER_MAGIC {
        return Err(collector.malformed("a header does not begin with its magic number"));
    }
    let number = |at: usize| u64::from(u32::from_be_bytes([intro[at], intro[at + 1], intro[at + 2], intro[at + 3]]));
    let rest = number(8) * 16 + number(12);
    if rest > HEADER_MOST {
        return Err(collector.malformed(format!("a header claims {rest} bytes")));
    }
    skip(package, rest).map_err(|error| collector.failed(error))?;
    Ok(intro.len() as u64 + rest)
}
