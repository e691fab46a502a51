use std::io::Read;

use crate::{
    EntryKind, IntakeError,
    budget::{Metered, skip},
    collector::Collector,
    member::Root,
};

/// The header of the "newc" format, cpio(5): 6 bytes of magic and 13 numbers of 8 hexadecimal digits.
const HEADER: usize = 110;
/// Longer than any path that Linux opens.
const NAME_MOST: u64 = 4096 + 16;
const TRAILER: &[u8] = b"TRAILER!!!";

/// Walks an archive of the formats 070701 and 070702 up to the stream's end.
pub(crate) fn walk(stream: impl Read, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    let mut stream = collector.meter(stream);
    loop {
        let Header { mode, links, size, name } = read_header(&mut stream, collector)?;
        if name == TRAILER {
            break;
        }
        let kind = match mode & 0o170_000 {
            // Only the last of several links carries the bytes.
            0o100_000 if links > 1 => EntryKind::HardLink,
            0o100_000 => EntryKind::Regular,
            0o040_000 => EntryKind::Directory,
            0o120_000 => EntryKind::Symlink,
            _ => EntryKind::Special,
        };
        match collector.admit(&name, kind, Root::Absolute)? {
            Some(slot) => collector.take(slot, size, &mut stream.by_ref().take(size))?,
            None => skip(&mut stream, size).map_err(|error| collector.failed(error))?,
        }
        skip(&mut stream, padding(size)).map_err(|error| collector.failed(error))?;
    }
    stream.drain().map_err(|error| collector.failed(error))?;
    Ok(())
}

struct Header {
    mode: u32,
    links: u32,
    size: u64,
    name: Vec<u8>,
}

fn read_header<R: Read>(stream: &mut Metered<'_, R>, collector: &Collector<'_>) -> Result<Header, IntakeError> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).map_err(|error| collector.failed(error))?;
    match &header[..6] {
        b"070701" | b"070702" => {}
        b"07070X" => return Err(collector.unsupported("the cpio variant for files of 4 GiB and more")),
        _ => return Err(collector.malformed("an entry of its cpio archive has no valid magic number")),
    }
    let field = |index: usize| {
        let digits = &header[6 + 8 * index..][..8];
        let text = str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
        u32::from_str_radix(text, 16).ok()
    };
    let numbers = || Some((field(1)?, field(4)?, u64::from(field(6)?), u64::from(field(11)?)));
    let (mode, links, size, name_size) =
        numbers().ok_or_else(|| collector.malformed("an entry of its cpio archive has a bad number"))?;
    if !(1..=NAME_MOST).contains(&name_size) {
        return Err(collector.malformed(format!("an entry of its cpio archive has a name of {name_size} bytes")));
    }
    let mut name = Vec::new();
    stream.by_ref().take(name_size).read_to_end(&mut name).map_err(|error| collector.failed(error))?;
    if name.len() as u64 != name_size {
        return Err(collector.truncated());
    }
    if name.pop() != Some(0) {
        return Err(collector.malformed("a name in its cpio archive does not end in NUL"));
    }
    skip(stream, padding(HEADER as u64 + name_size)).map_err(|error| collector.failed(error))?;
    Ok(Header { mode, links, size, name })
}

/// What brings `size` to a multiple of four.
fn padding(size: u64) -> u64 {
    size.next_multiple_of(4) - size
}
