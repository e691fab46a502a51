//! What an ELF file needs to run, read in small pieces: a file of any size costs the same memory.
//!
//! Everything that decides is read the way the dynamic loader does, from program headers and the dynamic section; section
//! headers, which may be absent or lie, only answer whether the file is stripped.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::{Path, PathBuf},
};

use artifact::Arch;
use object::{
    LittleEndian, ReadCache, ReadRef, elf,
    read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader},
};

use crate::{GlibcVersion, GlibcVersionError};

type Header = elf::FileHeader64<LittleEndian>;
const ENDIAN: LittleEndian = LittleEndian;

/// The most that is read at once. Envoy's largest table of headers has a few kilobytes.
const PIECE_MOST: u64 = 1 << 20;
/// The most version requirements; Envoy has about thirty.
const NEEDS_MOST: usize = 10_000;

/// What a program or library needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfFacts {
    /// The machine it is made for.
    pub machine: Arch,
    /// The oldest glibc that has all versioned symbols it names; `None` if it names none, as static programs do.
    pub glibc_floor: Option<GlibcVersion>,
    /// The dynamic loader that starts it.
    pub interpreter: Option<String>,
    /// Whether it has neither a symbol table nor debug information.
    pub stripped: bool,
}

/// A file that is no ELF file for us, or a broken one.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The file cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
    /// Other magic bytes.
    #[error("`{}` is not an ELF file: it begins with `{found}`", .path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// Its first bytes, escaped.
        found: String,
    },
    /// 32 bits, big-endian, or another machine.
    #[error("`{}` is an ELF file for {found}: expected 64-bit little-endian x86-64 or AArch64", .path.display())]
    Machine {
        /// The file.
        path: PathBuf,
        /// What it is for.
        found: String,
    },
    /// A table that is cut or out of bounds.
    #[error("`{}` is a malformed ELF file: bad {part}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What cannot be read.
        part: &'static str,
    },
    /// It names symbols that glibc keeps for itself.
    #[error("`{}` needs glibc's private symbols (GLIBC_PRIVATE), which every build of glibc may change", .path.display())]
    PrivateGlibc {
        /// The file.
        path: PathBuf,
    },
    /// A version of glibc that does not parse.
    #[error("`{}` needs an unknown version of glibc", .path.display())]
    GlibcVersion {
        /// The file.
        path: PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: GlibcVersionError,
    },
}

impl ElfError {
    /// The next step for whoever chose the file.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotElf { .. } => "name the program itself, not a script or an archive",
            Self::Machine { .. } => "give a build for amd64 or arm64 Linux",
            Self::PrivateGlibc { .. } => "give a build that does not carry parts of glibc",
            Self::Malformed { .. } => "fetch the file again and compare its SHA-256 with its publisher's",
            Self::Read { .. } | Self::GlibcVersion { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// Whether the file begins like ELF.
pub fn is_elf(path: &Path) -> Result<bool, ElfError> {
    let head = head(path)?;
    Ok(head.starts_with(&elf::ELFMAG))
}

/// Says what the ELF file at `path` needs.
pub fn inspect(path: &Path) -> Result<ElfFacts, ElfError> {
    let machine = machine(path, &head(path)?)?;
    let read_error = |source| ElfError::Read { path: path.to_owned(), source };
    let cache = ReadCache::new(File::open(path).map_err(read_error)?);
    let data = Pieces(&cache);
    let malformed = |part| ElfError::Malformed { path: path.to_owned(), part };

    let header = Header::parse(data).map_err(|_| malformed("file header"))?;
    let segments = header.program_headers(ENDIAN, data).map_err(|_| malformed("program headers"))?;
    let mut interpreter = None;
    for segment in segments {
        let found = segment.interpreter(ENDIAN, data).map_err(|_| malformed("interpreter"))?;
        interpreter = interpreter.or(found.map(|name| String::from_utf8_lossy(name).into_owned()));
    }
    let mut glibc_floor = None;
    for name in version_needs(segments, data).map_err(malformed)? {
        glibc_floor = glibc_floor.max(glibc_version(path, name)?);
    }
    let stripped = is_stripped(header, data).map_err(malformed)?;
    Ok(ElfFacts { machine, glibc_floor, interpreter, stripped })
}

/// The first bytes, up to the machine.
fn head(path: &Path) -> Result<Vec<u8>, ElfError> {
    let read_error = |source| ElfError::Read { path: path.to_owned(), source };
    let mut head = Vec::with_capacity(20);
    File::open(path).and_then(|file| file.take(20).read_to_end(&mut head)).map_err(read_error)?;
    Ok(head)
}

fn machine(path: &Path, head: &[u8]) -> Result<Arch, ElfError> {
    if !head.starts_with(&elf::ELFMAG) {
        let found = head[..head.len().min(8)].escape_ascii().to_string();
        return Err(ElfError::NotElf { path: path.to_owned(), found });
    }
    let (Some(&class), Some(&order), Some(&[low, high])) = (head.get(4), head.get(5), head.get(18..20)) else {
        return Err(ElfError::Malformed { path: path.to_owned(), part: "file header" });
    };
    let bits = match class {
        1 => "32-bit",
        2 => "64-bit",
        _ => "unknown-class",
    };
    let (endian, number) = match order {
        1 => ("little-endian", u16::from_le_bytes([low, high])),
        2 => ("big-endian", u16::from_be_bytes([low, high])),
        _ => ("unknown-endian", u16::from_le_bytes([low, high])),
    };
    match (class, order, number) {
        (2, 1, 62) => Ok(Arch::Amd64),
        (2, 1, 183) => Ok(Arch::Arm64),
        _ => {
            let found = format!("{bits} {endian} {}", machine_name(number));
            Err(ElfError::Machine { path: path.to_owned(), found })
        }
    }
}

/// The machines that Linux distributions are made for, by the numbers of the System V ABI.
fn machine_name(number: u16) -> String {
    let name = match number {
        3 => "Intel 80386",
        8 => "MIPS",
        20 => "PowerPC",
        21 => "PowerPC64",
        22 => "IBM S/390",
        40 => "Arm",
        62 => "x86-64",
        183 => "AArch64",
        243 => "RISC-V",
        258 => "LoongArch",
        _ => return format!("machine {number}"),
    };
    name.to_owned()
}

/// The names of all versions that the file requires of libraries; the error is the part that is bad.
fn version_needs<'a>(
    segments: &[elf::ProgramHeader64<LittleEndian>],
    data: Pieces<'a>,
) -> Result<Vec<&'a [u8]>, &'static str> {
    const DYNAMIC: &str = "dynamic section";
    const NEEDS: &str = "version requirements";
    let mut dynamic = &[][..];
    for segment in segments {
        if let Some(found) = segment.dynamic(ENDIAN, data).map_err(|_| DYNAMIC)? {
            dynamic = found;
        }
    }
    let value = |tag: elf::DynamicTag| {
        let live = dynamic.iter().take_while(|entry| entry.d_tag(ENDIAN) != elf::DT_NULL);
        live.filter(|entry| entry.d_tag(ENDIAN) == tag).map(|entry| entry.d_val(ENDIAN)).last()
    };
    let Some(needs) = value(elf::DT_VERNEED) else { return Ok(Vec::new()) };
    let mut needed = file_offset(segments, needs).ok_or(NEEDS)?;
    let strings = value(elf::DT_STRTAB).and_then(|address| file_offset(segments, address)).ok_or(DYNAMIC)?;
    let strings_end = strings.checked_add(value(elf::DT_STRSZ).ok_or(DYNAMIC)?).ok_or(DYNAMIC)?;

    // The loader goes by the links alone, so the counts that stand beside them are not looked at.
    let mut names = Vec::new();
    for _ in 0..NEEDS_MOST {
        let need: &elf::Verneed<LittleEndian> = data.read_at(needed).map_err(|()| NEEDS)?;
        let mut version_at = step(needed, need.vn_aux.get(ENDIAN))?;
        loop {
            let version: &elf::Vernaux<LittleEndian> = data.read_at(version_at).map_err(|()| NEEDS)?;
            let name = step(strings, version.vna_name.get(ENDIAN))?;
            names.push(data.read_bytes_at_until(name..strings_end, 0).map_err(|()| NEEDS)?);
            match version.vna_next.get(ENDIAN) {
                0 => break,
                _ if names.len() >= NEEDS_MOST => return Err(NEEDS),
                next => version_at = step(version_at, next)?,
            }
        }
        match need.vn_next.get(ENDIAN) {
            0 => return Ok(names),
            _ if names.len() >= NEEDS_MOST => return Err(NEEDS),
            next => needed = step(needed, next)?,
        }
    }
    Err(NEEDS)
}

fn step(offset: u64, by: u32) -> Result<u64, &'static str> {
    offset.checked_add(u64::from(by)).ok_or("version requirements")
}

/// Where in the file the byte stands that is loaded at `address`.
fn file_offset(segments: &[elf::ProgramHeader64<LittleEndian>], address: u64) -> Option<u64> {
    segments.iter().filter(|segment| segment.p_type(ENDIAN) == elf::PT_LOAD).find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr(ENDIAN)).filter(|&at| at < segment.p_filesz(ENDIAN))?;
        segment.p_offset(ENDIAN).checked_add(within)
    })
}

/// The glibc version that a required version stands for; `None` if it is another library's.
fn glibc_version(path: &Path, name: &[u8]) -> Result<Option<GlibcVersion>, ElfError> {
    let Some(version) = name.strip_prefix(b"GLIBC_") else { return Ok(None) };
    match version {
        b"PRIVATE" => Err(ElfError::PrivateGlibc { path: path.to_owned() }),
        // Not a symbol's version: glibc 2.36 has it to tell that its loader knows relative relocations.
        b"ABI_DT_RELR" => Ok(Some(GlibcVersion::new(2, 36))),
        version => {
            let parsed = String::from_utf8_lossy(version).parse();
            parsed.map(Some).map_err(|source| ElfError::GlibcVersion { path: path.to_owned(), source })
        }
    }
}

fn is_stripped(header: &Header, data: Pieces<'_>) -> Result<bool, &'static str> {
    const PART: &str = "section headers";
    let sections = header.sections(ENDIAN, data).map_err(|_| PART)?;
    for section in sections.iter() {
        let name = sections.section_name(ENDIAN, section).map_err(|_| PART)?;
        let debug = name.starts_with(b".debug_") || name.starts_with(b".zdebug_");
        if debug || section.sh_type(ENDIAN) == elf::SHT_SYMTAB {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The file through a cache that keeps what was read, so each piece has a bound.
#[derive(Clone, Copy)]
struct Pieces<'a>(&'a ReadCache<File>);

impl<'a> ReadRef<'a> for Pieces<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > PIECE_MOST { Err(()) } else { self.0.read_bytes_at(offset, size) }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        self.0.read_bytes_at_until(range, delimiter)
    }
}

#[cfg(test)]
mod tests;
