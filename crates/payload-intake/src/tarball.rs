use std::io::Read;

use tar::{Archive, EntryType, Header};

use crate::{EntryKind, IntakeError, collector::Collector, member::Root};

/// What the extension of one entry may hold: names, times and attributes.
const EXTENSION_MOST: u64 = 1 << 20;
const BLOCK: u64 = 512;

/// Walks a tar archive up to the stream's end: v7, ustar, pax or GNU.
///
/// The reader is used in its raw mode and extensions are read here, since it would otherwise hold an extension of any size
/// in memory, and would take the map of a sparse file for its content.
pub(crate) fn walk(stream: impl Read, collector: &mut Collector<'_>) -> Result<(), IntakeError> {
    let mut archive = Archive::new(collector.meter(stream));
    let mut pending = Extensions::default();
    for entry in archive.entries().map_err(|error| collector.failed(error))?.raw(true) {
        let mut entry = entry.map_err(|error| collector.failed(error))?;
        let size = entry.size();
        let header = entry.header().clone();
        if is_extension(header.entry_type()) {
            collector.count_entry()?;
            if size > EXTENSION_MOST {
                return Err(collector.malformed(format!("a tar extension header claims {size} bytes")));
            }
            let mut data = Vec::new();
            entry.read_to_end(&mut data).map_err(|error| collector.failed(error))?;
            if data.len() as u64 != size {
                return Err(collector.truncated());
            }
            pending.add(header.entry_type(), &data).map_err(|fault| collector.malformed(fault))?;
            continue;
        }
        let extensions = std::mem::take(&mut pending);
        if header.entry_type().is_gnu_sparse() {
            return Err(collector.unsupported("a sparse file in GNU's old format"));
        }
        if extensions.size.is_some_and(|declared| declared != size) {
            return Err(collector.malformed("an entry has two sizes"));
        }
        let sparse = extensions.sparse;
        let name = extensions.name().unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = if sparse { EntryKind::Sparse } else { entry_kind(&header, &name) };
        if let Some(slot) = collector.admit(&name, kind, Root::Relative)? {
            collector.take(slot, size, &mut entry)?;
        }
    }
    if pending != Extensions::default() {
        return Err(collector.malformed("its last tar extension header belongs to no entry"));
    }
    let zero_tail = archive.into_inner().drain().map_err(|error| collector.failed(error))?;
    // Writers end an archive with blocks of zeros: without them, entries may be missing.
    if zero_tail < BLOCK { Err(collector.truncated()) } else { Ok(()) }
}

fn is_extension(entry_type: EntryType) -> bool {
    entry_type.is_gnu_longname()
        || entry_type.is_gnu_longlink()
        || entry_type.is_pax_local_extensions()
        || entry_type.is_pax_global_extensions()
}

fn entry_kind(header: &Header, name: &[u8]) -> EntryKind {
    match header.entry_type() {
        // Before ustar, a slash at the end was how folders were told.
        EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => EntryKind::Directory,
        EntryType::Regular | EntryType::Continuous => EntryKind::Regular,
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink => EntryKind::Symlink,
        EntryType::Link => EntryKind::HardLink,
        _ => EntryKind::Special,
    }
}

/// What extension headers say about the entry that follows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extensions {
    gnu_name: Option<Vec<u8>>,
    pax_name: Option<Vec<u8>>,
    sparse_name: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    pax: bool,
}

impl Extensions {
    fn add(&mut self, entry_type: EntryType, data: &[u8]) -> Result<(), &'static str> {
        if entry_type.is_gnu_longname() {
            let name = data.strip_suffix(&[0]).unwrap_or(data);
            if self.gnu_name.replace(name.to_vec()).is_some() {
                return Err("two long names belong to one tar entry");
            }
        } else if entry_type.is_pax_local_extensions() {
            if std::mem::replace(&mut self.pax, true) {
                return Err("two pax headers belong to one tar entry");
            }
            for record in PaxRecords(data) {
                let (key, value) = record?;
                self.add_pax(key, value)?;
            }
        } else if entry_type.is_pax_global_extensions() {
            for record in PaxRecords(data) {
                let (key, _) = record?;
                if matches!(key, b"path" | b"size") || key.starts_with(b"GNU.sparse.") {
                    return Err("a pax header gives all tar entries the same name or size");
                }
            }
        }
        Ok(())
    }

    fn add_pax(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"path" => self.pax_name = Some(value.to_vec()),
            b"size" => {
                let size = str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                self.size = Some(size.ok_or("a pax header has a bad size")?);
            }
            b"GNU.sparse.name" => {
                self.sparse = true;
                self.sparse_name = Some(value.to_vec());
            }
            _ => self.sparse |= key.starts_with(b"GNU.sparse."),
        }
        Ok(())
    }

    fn name(self) -> Option<Vec<u8>> {
        self.sparse_name.or(self.pax_name).or(self.gnu_name)
    }
}

/// The records of a pax header, `<length> <key>=<value>\n` each; the length counts the whole record.
struct PaxRecords<'a>(&'a [u8]);

impl<'a> Iterator for PaxRecords<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = || {
            let space = self.0.iter().position(|&byte| byte == b' ')?;
            let length: usize = str::from_utf8(&self.0[..space]).ok()?.parse().ok()?;
            let record = self.0.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|&byte| byte == b'=')?;
            Some((&record[..equals], &record[equals + 1..], &self.0[length..]))
        };
        let record = split();
        self.0 = record.map_or(&[], |(_, _, rest)| rest);
        Some(record.map(|(key, value, _)| (key, value)).ok_or("a pax header is malformed"))
    }
}
