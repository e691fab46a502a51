//! Tar as packages use it: ustar and GNU headers with GNU long names (what dpkg-deb and cargo-deb write).

use std::io::{self, Read};

use artifact::ReleaseTime;

use crate::{
    body::{Body, Source},
    package_path::{PackagePath, PackagePathError},
};

const BLOCK: usize = 512;
/// No path in a package is longer than this.
const LONG_NAME_LIMIT: u64 = 8192;

/// Bytes that are no tar archive as packages may hold it.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// Reading, or decoding what holds the archive.
    #[error("cannot read the tar archive")]
    Read(#[source] io::Error),
    /// A header that is damaged.
    #[error("the tar archive has a bad {0}")]
    Bad(&'static str),
    /// A member's name.
    #[error("the tar archive has a member with a bad name")]
    Path(#[from] PackagePathError),
    /// A hard link, device or extension that no package here needs.
    #[error("{name} is a tar member of the unsupported type `{}`", type_flag.escape_ascii())]
    Kind {
        /// The member.
        name: String,
        /// The type byte of its header.
        type_flag: u8,
    },
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberKind {
    Regular { size: u64 },
    Directory,
    Symlink { target: String },
}

/// A member's header. `path` is `None` for the root directory.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) path: Option<PackagePath>,
    pub(crate) kind: MemberKind,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) owner: String,
    pub(crate) group: String,
    pub(crate) mtime: u64,
}

/// Calls `each` for every member; the whole source is read, so that all checks of its decoder have been made.
pub(crate) fn walk<S: Source, E: From<TarError>>(
    source: &mut S,
    mut each: impl FnMut(Member, &mut Body<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let read = |error| E::from(TarError::Read(error));
    let (mut long_name, mut long_link) = (None, None);
    loop {
        let mut block = [0; BLOCK];
        source.read_exact(&mut block).map_err(read)?;
        if block == [0; BLOCK] {
            break;
        }
        let header = Header(&block);
        let size = header.checked_size()?;
        match header.type_flag() {
            b'L' => long_name = Some(long_text(source, size)?),
            b'K' => long_link = Some(long_text(source, size)?),
            _ => {
                let member = header.member(size, long_name.take(), long_link.take())?;
                let content = if let MemberKind::Regular { size } = member.kind { size } else { 0 };
                let mut body = Body::new(source, content);
                each(member, &mut body)?;
                body.drain().map_err(read)?;
                skip_padding(source, content).map_err(read)?;
            }
        }
    }
    // The second block of zeros, and the rest of a record.
    let mut rest = Vec::new();
    source.take(1 << 20).read_to_end(&mut rest).map_err(read)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(TarError::Bad("end").into());
    }
    if rest.len() == 1 << 20 { Err(TarError::Bad("end").into()) } else { Ok(()) }
}

fn long_text<S: Source>(source: &mut S, size: u64) -> Result<String, TarError> {
    if size > LONG_NAME_LIMIT {
        return Err(TarError::Bad("long name"));
    }
    let data = Body::new(source, size).content().map_err(TarError::Read)?;
    skip_padding(source, size).map_err(TarError::Read)?;
    let text = data.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(text.to_vec()).map_err(|_| TarError::Bad("long name"))
}

fn skip_padding(source: &mut impl Read, size: u64) -> io::Result<()> {
    source.read_exact(&mut [0; BLOCK][..padding(size).len()])
}

struct Header<'a>(&'a [u8; BLOCK]);

impl Header<'_> {
    fn type_flag(&self) -> u8 {
        self.0[156]
    }

    /// Checks magic and checksum first: without them the size is no size.
    fn checked_size(&self) -> Result<u64, TarError> {
        // cargo-deb writes short names in the v7 format, which has no magic.
        if ![*b"ustar", [0; 5]].iter().any(|magic| self.0[257..262] == *magic) {
            return Err(TarError::Bad("magic"));
        }
        let sum: u64 = self
            .0
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        if self.number(148, 8) != Some(sum) {
            return Err(TarError::Bad("checksum"));
        }
        self.number(124, 12).ok_or(TarError::Bad("size"))
    }

    fn member(&self, size: u64, long_name: Option<String>, long_link: Option<String>) -> Result<Member, TarError> {
        let name = long_name.map_or_else(|| self.name(), Ok)?;
        let kind = match self.type_flag() {
            b'0' | 0 => MemberKind::Regular { size },
            b'5' => MemberKind::Directory,
            b'2' => MemberKind::Symlink { target: long_link.map_or_else(|| self.text(157, 100), Ok)? },
            type_flag => return Err(TarError::Kind { name: name.escape_debug().to_string(), type_flag }),
        };
        if kind != (MemberKind::Regular { size }) && size != 0 {
            return Err(TarError::Bad("size"));
        }
        let number = |at, len, what| self.number(at, len).ok_or(TarError::Bad(what));
        Ok(Member {
            path: PackagePath::from_member(&name)?,
            kind,
            mode: (number(100, 8, "mode")? & 0o7777) as u32,
            uid: number(108, 8, "owner")?,
            gid: number(116, 8, "group")?,
            owner: self.text(265, 32)?,
            group: self.text(297, 32)?,
            mtime: number(136, 12, "time")?,
        })
    }

    fn name(&self) -> Result<String, TarError> {
        let name = self.text(0, 100)?;
        // A prefix is ustar's; GNU headers have times there.
        let is_ustar = self.0[257..265] == *b"ustar\x0000";
        let prefix = if is_ustar { self.text(345, 155)? } else { String::new() };
        Ok(if prefix.is_empty() { name } else { format!("{prefix}/{name}") })
    }

    fn text(&self, at: usize, len: usize) -> Result<String, TarError> {
        let field = self.0[at..at + len].split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8(field.to_vec()).map_err(|_| TarError::Bad("text field"))
    }

    /// An octal number between spaces and NULs. Base 256, for more than 8 GiB, is refused.
    fn number(&self, at: usize, len: usize) -> Option<u64> {
        let text = str::from_utf8(&self.0[at..at + len]).ok()?.trim_matches([' ', '\0']);
        if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok().filter(|_| !text.starts_with('+')) }
    }
}

/// The headers of a member owned by root, as dpkg-deb writes them: `./` before the name, `/` after a directory's.
/// `None` if a number does not fit.
pub(crate) fn header(path: Option<&PackagePath>, kind: &MemberKind, mode: u32, time: ReleaseTime) -> Option<Vec<u8>> {
    let mut name = format!("./{}", path.map_or("", PackagePath::relative));
    if path.is_some() && *kind == MemberKind::Directory {
        name.push('/');
    }
    let (type_flag, size, link) = match kind {
        MemberKind::Regular { size } => (b'0', *size, ""),
        MemberKind::Directory => (b'5', 0, ""),
        MemberKind::Symlink { target } => (b'2', 0, target.as_str()),
    };
    let mut out = Vec::new();
    for (flag, text) in [(b'K', link), (b'L', &name)] {
        if text.len() > 100 {
            out.extend(block("././@LongLink", "", flag, text.len() as u64 + 1, 0o644, 0)?);
            out.extend(text.bytes());
            out.push(0);
            out.extend(padding(text.len() as u64 + 1));
        }
    }
    out.extend(block(&name, link, type_flag, size, mode, time.unix())?);
    Some(out)
}

/// What fills up the last block of a content.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    &[0; BLOCK][..usize::try_from(size.next_multiple_of(BLOCK as u64) - size).expect("less than a block")]
}

/// The end of an archive, as long as dpkg-deb makes it.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

fn block(name: &str, link: &str, type_flag: u8, size: u64, mode: u32, time: u32) -> Option<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, format!("{:07o}", mode & 0o7777).as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    let size = format!("{size:011o}");
    put(124, size.as_bytes().get(..11).filter(|_| size.len() == 11)?);
    put(136, format!("{time:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[type_flag]);
    put(157, &link.as_bytes()[..link.len().min(100)]);
    put(257, b"ustar  \0");
    put(265, b"root");
    put(297, b"root");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Decoded;
    use proptest::prelude::*;

    fn archive(names: &[String], content: &[u8], target: &str) -> Vec<u8> {
        let time = ReleaseTime::from_unix(7);
        let mut bytes = Vec::new();
        for name in names {
            let path = PackagePath::new(name).expect("the names are good");
            let kinds = [
                MemberKind::Directory,
                MemberKind::Symlink { target: target.to_owned() },
                MemberKind::Regular { size: content.len() as u64 },
            ];
            for kind in kinds {
                bytes.extend(header(Some(&path), &kind, 0o755, time).expect("the sizes fit"));
            }
            bytes.extend(content);
            bytes.extend(padding(content.len() as u64));
        }
        bytes.extend(END);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, TarError> {
        let mut members = Vec::new();
        walk(&mut Decoded(bytes), |member, body| {
            let content = body.content().map_err(TarError::Read)?;
            members.push((member, content));
            Ok(())
        })
        .map(|()| members)
    }

    proptest! {
        #[test]
        fn members_round_trip(names in prop::collection::vec("(/[a-z]{1,60}){1,4}", 0..4), content: Vec<u8>, target in "[a-z/]{1,150}") {
            let members = read(&archive(&names, &content, &target)).expect("the archive is good");
            prop_assert_eq!(members.len(), names.len() * 3);
            for (three, name) in members.chunks(3).zip(&names) {
                for (member, _) in three {
                    prop_assert_eq!(member.path.as_ref().map(PackagePath::as_str), Some(name.as_str()));
                    prop_assert_eq!((member.mode, member.mtime, member.owner.as_str()), (0o755, 7, "root"));
                }
                prop_assert_eq!(&three[1].0.kind, &MemberKind::Symlink { target: target.clone() });
                prop_assert_eq!(&three[2].1, &content);
            }
        }

        #[test]
        fn mutated_archives_never_panic(content: Vec<u8>, flips: Vec<(prop::sample::Index, u8)>, cut: prop::sample::Index) {
            let mut bytes = archive(&["/usr/bin/x".to_owned()], &content, "y");
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = read(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(read(&bytes).is_err() || cut.index(bytes.len() + 1) > 0);
        }
    }

    #[test]
    fn refuses_hard_links_and_archives_that_stop_early() {
        let mut bytes = archive(&["/a".to_owned()], b"", "t");
        assert!(read(&bytes[..bytes.len() - END.len()]).is_err());
        let mut linked = block("./a", "./b", b'1', 0, 0o644, 0).expect("it fits").to_vec();
        linked.append(&mut bytes);
        assert!(matches!(read(&linked), Err(TarError::Kind { type_flag: b'1', .. })));
    }
}
