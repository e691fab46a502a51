//! Small archives of every format, sound and abusive, with any names.

use std::{
    fs,
    io::{Cursor, Write},
    path::PathBuf,
};

use tempfile::TempDir;

use crate::{ArchiveKind, Compression, Extracted, IntakeError, Limits, Wanted, extract};

pub(crate) enum Node {
    File(Vec<u8>),
    Directory,
    Symlink(&'static str),
    HardLink(&'static str),
    Device,
}

pub(crate) type Entry<'a> = (&'a str, Node);

pub(crate) fn file(content: impl Into<Vec<u8>>) -> Node {
    Node::File(content.into())
}

/// Bytes that do not compress well.
pub(crate) fn noise(size: u32) -> Vec<u8> {
    (0..size).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect()
}

/// Every kind that is a file, with every compression that it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Tar(Compression),
    Deb(Compression),
    Rpm(Compression),
    Zip,
}

impl Format {
    pub(crate) fn all() -> Vec<Self> {
        let compressions = [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd];
        let of = |format: fn(Compression) -> Self| compressions.into_iter().map(format);
        of(Self::Tar).chain(of(Self::Deb)).chain(of(Self::Rpm)).chain([Self::Zip]).collect()
    }

    pub(crate) fn kind(self) -> ArchiveKind {
        match self {
            Self::Tar(compression) => ArchiveKind::Tar(compression),
            Self::Deb(_) => ArchiveKind::Deb,
            Self::Rpm(_) => ArchiveKind::Rpm,
            Self::Zip => ArchiveKind::Zip,
        }
    }

    pub(crate) fn archive(self, entries: &[Entry<'_>]) -> Vec<u8> {
        match self {
            Self::Tar(compression) => compress(compression, &tar(entries)),
            Self::Deb(compression) => deb(compression, &compress(compression, &tar(entries))),
            Self::Rpm(compression) => rpm(&compress(compression, &cpio(entries))),
            Self::Zip => zip(entries),
        }
    }
}

pub(crate) fn compress(compression: Compression, data: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Plain => data.to_vec(),
        Compression::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(data).expect("in memory");
            gzip.finish().expect("in memory")
        }
        Compression::Xz => {
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(data).expect("in memory");
            xz.finish().expect("in memory")
        }
        Compression::Zstd => {
            let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("level exists");
            zstd.include_checksum(true).expect("known parameter");
            zstd.write_all(data).expect("in memory");
            zstd.finish().expect("in memory")
        }
    }
}

pub(crate) fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, node) in entries {
        let mut header = tar::Header::new_ustar();
        // Not with `set_path`, which refuses the names that are tested here.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let (entry_type, content, target) = match node {
            Node::File(content) => (tar::EntryType::Regular, &content[..], ""),
            Node::Directory => (tar::EntryType::Directory, &[][..], ""),
            Node::Symlink(target) => (tar::EntryType::Symlink, &[][..], *target),
            Node::HardLink(target) => (tar::EntryType::Link, &[][..], *target),
            Node::Device => (tar::EntryType::Char, &[][..], ""),
        };
        header.set_entry_type(entry_type);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        builder.append(&header, content).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

pub(crate) fn deb(compression: Compression, data: &[u8]) -> Vec<u8> {
    let ending = match compression {
        Compression::Plain => "",
        Compression::Gzip => ".gz",
        Compression::Xz => ".xz",
        Compression::Zstd => ".zst",
    };
    let members = [
        ("debian-binary".to_owned(), b"2.0\n".to_vec()),
        ("control.tar.gz".to_owned(), compress(Compression::Gzip, &tar(&[("./control", file("Package: x\n"))]))),
        (format!("data.tar{ending}"), data.to_vec()),
    ];
    let mut builder = ar::Builder::new(Vec::new());
    for (name, content) in members {
        builder.append(&ar::Header::new(name.into_bytes(), content.len() as u64), &content[..]).expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

pub(crate) fn cpio(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    let trailer = [("TRAILER!!!", Node::File(Vec::new()))];
    for (name, node) in entries.iter().chain(&trailer) {
        let (mode, links, content) = match node {
            Node::File(content) => (0o100_755, 1, &content[..]),
            Node::Directory => (0o040_755, 2, &[][..]),
            Node::Symlink(target) => (0o120_777, 1, target.as_bytes()),
            Node::HardLink(_) => (0o100_755, 2, &[][..]),
            Node::Device => (0o020_600, 1, &[][..]),
        };
        write!(archive, "070701{:08x}{mode:08x}{:08x}{:08x}{links:08x}{:08x}", 1, 0, 0, 0).expect("in memory");
        write!(archive, "{:08x}{:08x}{:08x}{:08x}{:08x}", content.len(), 0, 0, 0, 0).expect("in memory");
        write!(archive, "{:08x}{:08x}{name}\0", name.len() + 1, 0).expect("in memory");
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

/// A package whose headers are empty: for payloads that no builder makes.
pub(crate) fn rpm(payload: &[u8]) -> Vec<u8> {
    let mut package = vec![0xed, 0xab, 0xee, 0xdb, 3, 0];
    package.resize(96, 0);
    for _ in 0..2 {
        package.extend_from_slice(&[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    package.extend_from_slice(payload);
    package
}

pub(crate) fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .unix_permissions(0o755);
    // The writer refuses some of the names that are tested here: each gets another of its length first.
    let stand_in = |index: usize, name: &str| "ABCDEFGH"[index..=index].repeat(name.len());
    for (index, (name, node)) in entries.iter().enumerate() {
        let stand_in = stand_in(index, name);
        match node {
            Node::File(content) => {
                writer.start_file(&*stand_in, options).expect("in memory");
                writer.write_all(content).expect("in memory");
            }
            Node::Symlink(target) => writer.add_symlink(&*stand_in, *target, options).expect("in memory"),
            // A zip archive tells a folder by the slash at its name's end, and knows no hard links or devices.
            Node::Directory | Node::HardLink(_) | Node::Device => {
                writer.start_file(&*stand_in, options).expect("in memory");
            }
        }
    }
    let mut archive = writer.finish().expect("in memory").into_inner();
    for (index, (name, _)) in entries.iter().enumerate() {
        let stand_in = stand_in(index, name);
        let mut replaced = 0;
        for at in 0..archive.len() - name.len() {
            if archive[at..].starts_with(stand_in.as_bytes()) {
                archive[at..at + name.len()].copy_from_slice(name.as_bytes());
                replaced += 1;
            }
        }
        assert_eq!(replaced, 2, "`{name}` stands in the local and the central header");
    }
    archive
}

/// A folder with an archive and an empty destination, to look at after an extraction.
pub(crate) struct Bench {
    pub(crate) root: TempDir,
    pub(crate) archive: PathBuf,
    pub(crate) dest: PathBuf,
}

impl Bench {
    pub(crate) fn new(archive: &[u8]) -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        let (path, dest) = (root.path().join("archive"), root.path().join("dest"));
        fs::write(&path, archive).expect("written");
        fs::create_dir(&dest).expect("made");
        Self { archive: path, dest, root }
    }

    pub(crate) fn extract(
        &self,
        kind: ArchiveKind,
        members: &[&str],
        limits: Limits,
    ) -> Result<Vec<Extracted>, IntakeError> {
        extract(kind, &self.archive, &wanted(members), &self.dest, limits)
    }

    /// Every path below the root but the archive, so that what was left anywhere shows.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut pending = vec![self.root.path().to_owned()];
        let mut left = Vec::new();
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).expect("readable") {
                let entry = entry.expect("readable");
                if entry.file_type().expect("known").is_dir() {
                    pending.push(entry.path());
                }
                left.push(entry.path().strip_prefix(self.root.path()).expect("below").display().to_string());
            }
        }
        left.retain(|path| path != "archive" && path != "dest");
        left.sort();
        left
    }
}

/// Members that keep their file names.
pub(crate) fn wanted(members: &[&str]) -> Vec<Wanted> {
    let wanted = |text: &&str| {
        let member: crate::MemberPath = text.parse().expect("valid member");
        Wanted { file_name: member.file_name().parse().expect("one component"), member }
    };
    members.iter().map(wanted).collect()
}

/// Extracts one member and expects it to fail, with nothing left behind.
pub(crate) fn refused(archive: &[u8], kind: ArchiveKind, member: &str, limits: Limits) -> IntakeError {
    let bench = Bench::new(archive);
    let error = bench.extract(kind, &[member], limits).expect_err("must be refused");
    assert_eq!(bench.left(), Vec::<String>::new(), "left after: {error}");
    let text = error.to_string();
    assert!(text.contains(&bench.archive.display().to_string()), "does not name the archive: {text}");
    error
}
