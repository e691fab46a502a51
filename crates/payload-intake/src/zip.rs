use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use flate2::{CrcReader, bufread::DeflateDecoder};

use crate::{
    EntryKind, IntakeError,
    collector::{Collector, Slot},
    member::Root,
};

mod directory;

use directory::{Directory, Entry};

const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Walks a zip archive by its central directory (APPNOTE 4.3), which is read as a stream: a list of all entries in memory
/// could be a multiple of the limits.
pub(crate) fn walk(file: File, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    let mut file = BufReader::with_capacity(128 << 10, file);
    let mut directory = Directory::find(&mut file, collector)?;
    let mut hits = Vec::new();
    while let Some(entry) = directory.next(&mut file, collector)? {
        if let Some(slot) = collector.admit(&entry.name, entry.kind(), Root::Relative)? {
            hits.push((slot, entry));
        }
    }
    for (slot, entry) in hits {
        take(&mut file, slot, &entry, collector)?;
    }
    Ok(())
}

fn take(
    file: &mut BufReader<File>,
    slot: Slot,
    entry: &Entry,
    collector: &mut Collector<'_>,
) -> Result<(), IntakeError> {
    let name = entry.name.escape_ascii();
    if entry.flags & ENCRYPTED != 0 {
        return Err(collector.unsupported(format!("encryption for member `{name}`")));
    }
    seek_to_data(file, entry, collector)?;
    let compressed = file.by_ref().take(entry.compressed_size);
    let content: Box<dyn Read> = match entry.method {
        STORED => Box::new(compressed),
        DEFLATED => Box::new(DeflateDecoder::new(compressed)),
        other => return Err(collector.unsupported(format!("compression method {other} for member `{name}`"))),
    };
    let mut content = CrcReader::new(collector.meter(content));
    collector.take(slot, entry.size, &mut content)?;
    if content.crc().sum() == entry.crc32 {
        Ok(())
    } else {
        Err(collector.malformed(format!("member `{name}` does not match its CRC-32")))
    }
}

/// Goes to the content's first byte, behind the local header, which must agree with the central one.
fn seek_to_data(file: &mut BufReader<File>, entry: &Entry, collector: &Collector<'_>) -> Result<(), IntakeError> {
    let mut header = [0; 30];
    let mut name = vec![0; entry.name.len()];
    let mut read = || -> io::Result<()> {
        file.seek(SeekFrom::Start(entry.local_header))?;
        file.read_exact(&mut header)?;
        file.read_exact(&mut name)
    };
    read().map_err(|error| collector.failed(error))?;
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let agrees = header[..4] == *b"PK\x03\x04"
        && number(8) == entry.method
        && usize::from(number(26)) == name.len()
        && name == entry.name;
    if !agrees {
        let name = entry.name.escape_ascii();
        return Err(collector.malformed(format!("the two headers of member `{name}` disagree")));
    }
    file.seek_relative(i64::from(number(28))).map_err(|error| collector.failed(error))
}

impl Entry {
    fn kind(&self) -> EntryKind {
        const UNIX: u8 = 3;
        const DOS_FOLDER: u32 = 0x10;
        if self.name.ends_with(b"/") {
            return EntryKind::Directory;
        }
        if self.made_by != UNIX {
            return if self.attributes & DOS_FOLDER == 0 { EntryKind::Regular } else { EntryKind::Directory };
        }
        match (self.attributes >> 16) & 0o170_000 {
            0 | 0o100_000 => EntryKind::Regular,
            0o040_000 => EntryKind::Directory,
            0o120_000 => EntryKind::Symlink,
            _ => EntryKind::Special,
        }
    }
}
