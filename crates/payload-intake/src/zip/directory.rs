use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use crate::{IntakeError, collector::Collector};

/// The end record without its comment, APPNOTE 4.3.16.
const END: usize = 22;
/// The end record with the longest comment.
const END_MOST: u64 = END as u64 + u16::MAX as u64;
/// The locator of the zip64 end record, 4.3.15.
const LOCATOR: usize = 20;
/// The zip64 end record without its extensible data, 4.3.14.
const END64: usize = 56;
/// A file header of the central directory without its name, 4.3.12.
const ENTRY: usize = 46;

/// One file header of the central directory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) made_by: u8,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) compressed_size: u64,
    pub(super) size: u64,
    pub(super) attributes: u32,
    pub(super) local_header: u64,
}

/// The part of the central directory that is still to be read.
#[derive(Debug)]
pub(super) struct Directory {
    entries: u64,
    offset: u64,
    end: u64,
}

impl Directory {
    /// Finds the directory by the record at the file's end.
    pub(super) fn find(file: &mut BufReader<File>, collector: &Collector<'_>) -> Result<Self, IntakeError> {
        let failed = |error| collector.failed(error);
        let len = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let tail_start = len.saturating_sub(END_MOST);
        file.seek(SeekFrom::Start(tail_start)).map_err(failed)?;
        let mut tail = Vec::new();
        file.by_ref().take(END_MOST).read_to_end(&mut tail).map_err(failed)?;
        // A record counts only if its comment reaches the end exactly, so that a comment cannot hold another record.
        let is_end = |at: &usize| {
            let record = Fields(&tail[*at..]);
            record.0.starts_with(b"PK\x05\x06") && record.0.len() == END + usize::from(record.u16(20))
        };
        let last = tail.len().saturating_sub(END);
        let at = (0..=last).rev().filter(|at| tail.len() - at >= END).find(is_end);
        let at = at.ok_or_else(|| collector.truncated())?;
        let record = Fields(&tail[at..]);
        let position = tail_start + at as u64;
        let small = [record.u16(4), record.u16(6), record.u16(8), record.u16(10)].map(u64::from);
        let [disk, start_disk, on_disk, entries] = small;
        let (size, offset) = (u64::from(record.u32(12)), u64::from(record.u32(16)));
        let large = entries == u64::from(u16::MAX) || size == u64::from(u32::MAX) || offset == u64::from(u32::MAX);
        let found = if large && position >= LOCATOR as u64 { Self::find64(file, position, collector)? } else { None };
        let directory = match found {
            Some(directory) => directory,
            None if disk != 0 || start_disk != 0 || on_disk != entries => {
                return Err(collector.unsupported("several volumes"));
            }
            None => Self { entries, offset, end: position }.checked(size, collector)?,
        };
        file.seek(SeekFrom::Start(directory.offset)).map_err(failed)?;
        Ok(directory)
    }

    /// The zip64 end record, if a locator stands before the end record at `end`.
    fn find64(file: &mut BufReader<File>, end: u64, collector: &Collector<'_>) -> Result<Option<Self>, IntakeError> {
        let locator = read_at::<LOCATOR>(file, end - LOCATOR as u64).map_err(|error| collector.failed(error))?;
        let locator = Fields(&locator);
        if !locator.0.starts_with(b"PK\x06\x07") {
            return Ok(None);
        }
        let position = locator.u64(8);
        let record = read_at::<END64>(file, position).map_err(|error| collector.failed(error))?;
        let record = Fields(&record);
        if !record.0.starts_with(b"PK\x06\x06") {
            return Err(collector.malformed("its zip64 end record is not where the locator says"));
        }
        if record.u32(16) != 0 || record.u32(20) != 0 || record.u64(24) != record.u64(32) {
            return Err(collector.unsupported("several volumes"));
        }
        let directory = Self { entries: record.u64(32), offset: record.u64(48), end: position };
        directory.checked(record.u64(40), collector).map(Some)
    }

    /// Refuses a directory that does not end where its end record begins: readers would differ on what it holds.
    fn checked(self, size: u64, collector: &Collector<'_>) -> Result<Self, IntakeError> {
        if self.offset.checked_add(size) == Some(self.end) {
            Ok(self)
        } else {
            Err(collector.malformed("its central directory does not end at its end record"))
        }
    }

    /// Reads one entry; `file` stands where the last call left it.
    pub(super) fn next(
        &mut self,
        file: &mut BufReader<File>,
        collector: &Collector<'_>,
    ) -> Result<Option<Entry>, IntakeError> {
        let Some(left) = self.entries.checked_sub(1) else {
            let complete = self.offset == self.end;
            let fault = "its central directory holds more than its count of entries";
            return if complete { Ok(None) } else { Err(collector.malformed(fault)) };
        };
        let mut header = [0; ENTRY];
        file.read_exact(&mut header).map_err(|error| collector.failed(error))?;
        let header = Fields(&header);
        let lengths = [header.u16(28), header.u16(30), header.u16(32)].map(usize::from);
        let length = (ENTRY + lengths.iter().sum::<usize>()) as u64;
        if !header.0.starts_with(b"PK\x01\x02") || self.offset + length > self.end {
            return Err(collector.malformed("an entry of its central directory is damaged"));
        }
        let mut variable = vec![0; lengths.iter().sum()];
        file.read_exact(&mut variable).map_err(|error| collector.failed(error))?;
        self.entries = left;
        self.offset += length;
        let (name, rest) = variable.split_at(lengths[0]);
        let mut entry = Entry {
            name: name.to_vec(),
            made_by: header.0[5],
            flags: header.u16(8),
            method: header.u16(10),
            crc32: header.u32(16),
            compressed_size: u64::from(header.u32(20)),
            size: u64::from(header.u32(24)),
            attributes: header.u32(38),
            local_header: u64::from(header.u32(42)),
        };
        entry.widen(&rest[..lengths[1]]).ok_or_else(|| collector.malformed("a zip64 field is missing"))?;
        Ok(Some(entry))
    }
}

impl Entry {
    /// Takes the sizes that do not fit into 32 bits from the zip64 field among `extra`, 4.5.3.
    fn widen(&mut self, mut extra: &[u8]) -> Option<()> {
        let wide = [&mut self.size, &mut self.compressed_size, &mut self.local_header];
        let mut wide = wide.into_iter().filter(|value| **value == u64::from(u32::MAX)).peekable();
        if wide.peek().is_none() {
            return Some(());
        }
        while let Some((head, rest)) = extra.split_at_checked(4) {
            let (id, length) = (Fields(head).u16(0), usize::from(Fields(head).u16(2)));
            let (mut data, rest) = rest.split_at_checked(length)?;
            if id == 1 {
                for value in wide {
                    let (number, after) = data.split_first_chunk()?;
                    *value = u64::from_le_bytes(*number);
                    data = after;
                }
                return Some(());
            }
            extra = rest;
        }
        None
    }
}

fn read_at<const SIZE: usize>(file: &mut BufReader<File>, position: u64) -> io::Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Little-endian numbers at fixed places of a record that is long enough.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const SIZE: usize>(&self, at: usize) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes.copy_from_slice(&self.0[at..at + SIZE]);
        bytes
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}
