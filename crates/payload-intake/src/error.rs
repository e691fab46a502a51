use std::{fmt, io, path::PathBuf};

use crate::{ArchiveKind, FileName, Limit, MemberPath, NameError};

/// What stands in an archive under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file with its bytes.
    Regular,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of a file that stands elsewhere in the archive.
    HardLink,
    /// A device, named pipe or socket.
    Special,
    /// A file with holes, stored in pieces.
    Sparse,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::HardLink => "a hard link",
            Self::Special => "a device, pipe or socket",
            Self::Sparse => "a sparse file",
        })
    }
}

/// An extraction that failed. Nothing was left in the destination.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The archive cannot be opened.
    #[error("cannot open `{}`", .path.display())]
    Open {
        /// The archive.
        path: PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
    /// The operating system failed to read the archive.
    #[error("cannot read `{}`", .archive.display())]
    Read {
        /// The archive, or the file of a directory.
        archive: PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
    /// The content is not what the name says.
    #[error("`{}` should be {expected}, but it is {found}", .archive.display())]
    WrongKind {
        /// The archive.
        archive: PathBuf,
        /// By its name.
        expected: ArchiveKind,
        /// By its first bytes.
        found: String,
    },
    /// The archive ends too early.
    #[error("`{}` is truncated", .archive.display())]
    Truncated {
        /// The archive.
        archive: PathBuf,
    },
    /// A decompressor or reader refused the bytes.
    #[error("`{}` is corrupt", .archive.display())]
    Corrupt {
        /// The archive.
        archive: PathBuf,
        /// What it refused.
        source: io::Error,
    },
    /// The structure breaks its format.
    #[error("`{}` is malformed: {fault}", .archive.display())]
    Malformed {
        /// The archive.
        archive: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// Sound, but of a variant that is not read.
    #[error("`{}` uses {feature}, which is not supported", .archive.display())]
    Unsupported {
        /// The archive.
        archive: PathBuf,
        /// The variant.
        feature: String,
    },
    /// An entry, wanted or not, that would leave the folder it is unpacked in.
    #[error("`{}` is refused for its entry `{}`", .archive.display(), .entry.escape_debug())]
    UnsafeEntry {
        /// The archive.
        archive: PathBuf,
        /// As written in the archive.
        entry: String,
        /// What is unsafe.
        source: NameError,
    },
    /// A wanted member without bytes of its own.
    #[error("member `{member}` of `{}` is {found}, not a regular file", .archive.display())]
    NotRegular {
        /// The archive.
        archive: PathBuf,
        /// The wanted member.
        member: MemberPath,
        /// What stands there.
        found: EntryKind,
    },
    /// A wanted member that stands twice in the archive.
    #[error("`{}` has member `{member}` more than once", .archive.display())]
    Duplicate {
        /// The archive.
        archive: PathBuf,
        /// The wanted member.
        member: MemberPath,
    },
    /// Wanted members that are not there.
    #[error("`{}` has no member {}", .archive.display(), list(.members))]
    Missing {
        /// The archive.
        archive: PathBuf,
        /// All that are missing, in the order they were asked for.
        members: Vec<MemberPath>,
        /// Regular files with an equal or similar file name, best first, at most ten.
        similar: Vec<MemberPath>,
    },
    /// The archive costs more than allowed.
    #[error("`{}` exceeds the limit of {limit}{}", .archive.display(), in_member(.member.as_ref()))]
    Limit {
        /// The archive.
        archive: PathBuf,
        /// The member that was being written.
        member: Option<MemberPath>,
        /// Which one.
        limit: Limit,
    },
    /// The same member was asked for twice.
    #[error("member `{member}` of `{}` is asked for twice", .archive.display())]
    MemberAskedTwice {
        /// The archive.
        archive: PathBuf,
        /// The member.
        member: MemberPath,
    },
    /// Two members were to get the same name.
    #[error("two members of `{}` would be written to `{file_name}`", .archive.display())]
    FileNameAskedTwice {
        /// The archive.
        archive: PathBuf,
        /// The name.
        file_name: FileName,
    },
    /// A plain file is one member, not several.
    #[error("`{}` is a plain file, but {wanted} members are asked for", .archive.display())]
    NotOneMember {
        /// The file.
        archive: PathBuf,
        /// How many.
        wanted: usize,
    },
    /// An extracted file cannot be written or moved to its place.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        #[expect(missing_docs, reason = "the cause")]
        source: io::Error,
    },
}

impl IntakeError {
    /// The next step for whoever chose the archive and its members.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Missing { similar, .. } if !similar.is_empty() => format!("the archive has {}", list(similar)),
            Self::Missing { .. } => "list the archive and name its files as they stand there".to_owned(),
            Self::NotRegular { found: EntryKind::Symlink | EntryKind::HardLink, .. } => {
                "name the file that the link stands for".to_owned()
            }
            Self::NotRegular { found: EntryKind::Directory, .. } => "name a file inside it".to_owned(),
            Self::WrongKind { .. } => "give the file a name that ends in what it is, or fetch it again".to_owned(),
            Self::Truncated { .. } | Self::Corrupt { .. } | Self::Malformed { .. } => {
                "fetch the archive again and compare its SHA-256 with its publisher's".to_owned()
            }
            Self::Duplicate { .. } => "repack it with that member once".to_owned(),
            Self::UnsafeEntry { .. } => "do not unpack this archive elsewhere; repack the wanted files".to_owned(),
            Self::Unsupported { .. } => "repack it as .tar.gz, .tar.xz, .tar.zst or .zip".to_owned(),
            Self::Limit { .. } => "repack the wanted files alone, stripped if they are programs".to_owned(),
            Self::NotOneMember { .. } => "give an archive, or ask for one member".to_owned(),
            _ => return None,
        };
        Some(text)
    }
}

fn list(members: &[MemberPath]) -> String {
    let quoted: Vec<_> = members.iter().map(|member| format!("`{}`", member.as_str().escape_debug())).collect();
    quoted.join(", ")
}

fn in_member(member: Option<&MemberPath>) -> String {
    member.map(|member| format!(" in member `{member}`")).unwrap_or_default()
}
