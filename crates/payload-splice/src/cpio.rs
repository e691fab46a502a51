//! The newc cpio format, as RPM payloads hold it.

use std::io::{self, Read};

use crate::{
    body::{Body, Source},
    package_path::{PackagePath, PackagePathError},
};

const HEADER: usize = 110;
const TRAILER: &str = "TRAILER!!!";
const NAME_LIMIT: u32 = 8192;

/// Bytes that are no newc archive.
#[derive(Debug, thiserror::Error)]
pub enum CpioError {
    /// Reading, or decoding what holds the archive.
    #[error("cannot read the cpio archive")]
    Read(#[source] io::Error),
    /// A header that is damaged or of another cpio format.
    #[error("the cpio archive has a bad {0}")]
    Bad(&'static str),
    /// A member's name.
    #[error("the cpio archive has a member with a bad name")]
    Path(#[from] PackagePathError),
}

/// A member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) path: PackagePath,
    pub(crate) inode: u32,
    /// Type and permission bits.
    pub(crate) mode: u32,
    pub(crate) mtime: u32,
    pub(crate) size: u32,
}

impl Member {
    /// The header and name, padded.
    pub(crate) fn header(&self) -> Vec<u8> {
        let name = format!(".{}", self.path);
        header(&name, [self.inode, self.mode, 0, 0, 1, self.mtime, self.size])
    }
}

/// The end of an archive.
pub(crate) fn trailer() -> Vec<u8> {
    header(TRAILER, [0, 0, 0, 0, 1, 0, 0])
}

/// Fills up to a multiple of four.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    &[0; 3][..usize::try_from(size.next_multiple_of(4) - size).expect("less than 4")]
}

fn header(name: &str, fields: [u32; 7]) -> Vec<u8> {
    let mut text = "070701".to_owned();
    let name_size = u32::try_from(name.len() + 1).expect("a path has at most 4096 bytes");
    // Device and special device, major and minor, are 0; so is the checksum.
    for field in fields.into_iter().chain([0, 0, 0, 0, name_size, 0]) {
        use std::fmt::Write as _;
        let _ = write!(text, "{field:08x}");
    }
    let mut bytes = text.into_bytes();
    bytes.extend(name.bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Calls `each` for every member but the root; the whole source is read, so that all checks of its decoder have been made.
pub(crate) fn walk<S: Source, E: From<CpioError>>(
    source: &mut S,
    mut each: impl FnMut(Member, &mut Body<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let read = |error| E::from(CpioError::Read(error));
    loop {
        let mut header = [0; HEADER];
        source.read_exact(&mut header).map_err(read)?;
        if header[..6] != *b"070701" {
            return Err(CpioError::Bad("magic").into());
        }
        let mut fields = [0; 13];
        for (field, text) in fields.iter_mut().zip(header[6..].chunks(8)) {
            *field = hex(text).ok_or(CpioError::Bad("number"))?;
        }
        let [inode, mode, _, _, _, mtime, size, _, _, _, _, name_size, _] = fields;
        let name = name(source, name_size)?;
        if name == TRAILER {
            break;
        }
        let mut body = Body::new(source, u64::from(size));
        if let Some(path) = PackagePath::from_member(&name).map_err(CpioError::Path)? {
            each(Member { path, inode, mode, mtime, size }, &mut body)?;
        }
        body.drain().map_err(read)?;
        source.read_exact(&mut [0; 3][..padding(u64::from(size)).len()]).map_err(read)?;
    }
    let mut rest = Vec::new();
    source.take(1 << 20).read_to_end(&mut rest).map_err(read)?;
    if rest.len() == 1 << 20 || rest.iter().any(|byte| *byte != 0) { Err(CpioError::Bad("end").into()) } else { Ok(()) }
}

fn name<S: Source>(source: &mut S, size: u32) -> Result<String, CpioError> {
    if size == 0 || size > NAME_LIMIT {
        return Err(CpioError::Bad("name size"));
    }
    let mut name = vec![0; (HEADER + size as usize).next_multiple_of(4) - HEADER];
    source.read_exact(&mut name).map_err(CpioError::Read)?;
    name.truncate(size as usize);
    if name.pop() != Some(0) || name.contains(&0) {
        return Err(CpioError::Bad("name"));
    }
    String::from_utf8(name).map_err(|_| CpioError::Bad("name"))
}

fn hex(text: &[u8]) -> Option<u32> {
    let text = str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Decoded;
    use proptest::prelude::*;

    fn archive(members: &[(Member, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (member, content) in members {
            bytes.extend(member.header());
            bytes.extend(content);
            bytes.extend(padding(content.len() as u64));
        }
        bytes.extend(trailer());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, CpioError> {
        let mut members = Vec::new();
        walk(&mut Decoded(bytes), |member, body| {
            let content = body.content().map_err(CpioError::Read)?;
            members.push((member, content));
            Ok(())
        })
        .map(|()| members)
    }

    prop_compose! {
        fn member()(path in "(/[a-z]{1,9}){1,4}", numbers: [u32; 3], content: Vec<u8>) -> (Member, Vec<u8>) {
            let path = PackagePath::new(&path).expect("the path is good");
            let [inode, mode, mtime] = numbers;
            (Member { path, inode, mode, mtime, size: u32::try_from(content.len()).expect("it is short") }, content)
        }
    }

    proptest! {
        #[test]
        fn members_round_trip(members in prop::collection::vec(member(), 0..4)) {
            prop_assert_eq!(read(&archive(&members)).expect("the archive is good"), members);
        }

        #[test]
        fn mutated_archives_never_panic(member in member(), flips: Vec<(prop::sample::Index, u8)>, cut: prop::sample::Index) {
            let good = archive(&[member]);
            let mut bytes = good.clone();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = read(&bytes);
            prop_assert!(read(&good[..cut.index(good.len())]).is_err());
        }
    }
}
