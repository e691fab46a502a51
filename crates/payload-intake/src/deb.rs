use std::io::{BufRead, Read};

use crate::{Compression, IntakeError, budget::skip, collector::Collector, decompress::decoder, tarball};

/// The size of a member's header in ar(5).
const HEADER: usize = 60;

/// Walks the data archive of a binary package, deb(5).
pub(crate) fn walk(mut package: impl BufRead, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    skip(&mut package, b"!<arch>\n".len() as u64).map_err(|error| collector.failed(error))?;
    let mut first = true;
    let mut found = false;
    while let Some(Member { name, size }) = next_member(&mut package, collector)? {
        collector.count_entry()?;
        if first && name != "debian-binary" {
            return Err(
                collector.malformed(format!("it begins with `{}`, not with `debian-binary`", name.escape_debug()))
            );
        }
        first = false;
        match name.strip_prefix("data.tar") {
            Some(_) if found => return Err(collector.malformed("it has two data archives")),
            Some(ending) => {
                let compression = match ending {
                    "" => Compression::Plain,
                    ".gz" => Compression::Gzip,
                    ".xz" => Compression::Xz,
                    ".zst" => Compression::Zstd,
                    _ => return Err(collector.unsupported(format!("the data archive `{}`", name.escape_debug()))),
                };
                let stream =
                    decoder(compression, package.by_ref().take(size)).map_err(|error| collector.failed(error))?;
                tarball::walk(stream, collector)?;
                found = true;
            }
            None => skip(&mut package, size).map_err(|error| collector.failed(error))?,
        }
        // Members start at even offsets; the last one may do without its padding.
        if size % 2 == 1 && !package.fill_buf().map_err(|error| collector.failed(error))?.is_empty() {
            package.consume(1);
        }
    }
    if found { Ok(()) } else { Err(collector.malformed("it has no data archive")) }
}

struct Member {
    name: String,
    size: u64,
}

fn next_member(package: &mut impl BufRead, collector: &Collector<'_>) -> Result<Option<Member>, IntakeError> {
    let mut header = Vec::with_capacity(HEADER);
    package.take(HEADER as u64).read_to_end(&mut header).map_err(|error| collector.failed(error))?;
    if header.is_empty() {
        return Ok(None);
    }
    if header.len() < HEADER {
        return Err(collector.truncated());
    }
    let text = |field: &[u8]| str::from_utf8(field).ok().map(|text| text.trim_end_matches(' ').to_owned());
    let member = || {
        let name = text(&header[..16])?.trim_end_matches('/').to_owned();
        let size = text(&header[48..58]).filter(|size| size.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
        (header[58..] == *b"`\n").then_some(Member { name, size })
    };
    member().map(Some).ok_or_else(|| collector.malformed("a member's header breaks ar(5)"))
}
