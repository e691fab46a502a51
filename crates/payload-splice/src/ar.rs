//! The outer container of a DEB (deb(5)).

use std::io::{self, Write};

use artifact::ReleaseTime;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// Bytes that are no ar archive.
#[derive(Debug, thiserror::Error)]
pub enum ArError {
    /// The magic, a member's header or its size is wrong.
    #[error("the ar archive has a bad {0}")]
    Bad(&'static str),
}

/// The members: name without padding or a trailing `/`, and content.
pub(crate) fn members(bytes: &[u8]) -> Result<Vec<(&str, &[u8])>, ArError> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or(ArError::Bad("magic"))?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (header, after) = rest.split_first_chunk::<HEADER>().ok_or(ArError::Bad("member header"))?;
        if header[58..] != *b"`\n" {
            return Err(ArError::Bad("member header"));
        }
        let field = |at: std::ops::Range<usize>| str::from_utf8(&header[at]).ok().map(str::trim_end);
        let name = field(0..16).ok_or(ArError::Bad("member name"))?;
        let size = field(48..58)
            .filter(|size| size.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|size| size.parse::<usize>().ok())
            .ok_or(ArError::Bad("member size"))?;
        let (content, after) = after.split_at_checked(size).ok_or(ArError::Bad("member size"))?;
        members.push((name.strip_suffix('/').unwrap_or(name), content));
        // Members start at even places. Some writers leave the last pad out.
        rest = if size % 2 == 1 { after.get(1..).unwrap_or_default() } else { after };
    }
    Ok(members)
}

pub(crate) fn write_magic(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(MAGIC)
}

/// Writes a member's header; `size` bytes and [`write_padding`] must follow.
pub(crate) fn write_header(out: &mut dyn Write, name: &str, size: u64, time: ReleaseTime) -> io::Result<()> {
    let time = time.unix();
    let header =
        format!("{name:<16}{time:<12}{uid:<6}{gid:<6}{mode:<8}{size:<10}`\n", uid = 0, gid = 0, mode = "100644");
    if header.len() == HEADER {
        out.write_all(header.as_bytes())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "an ar member has a name or size that does not fit"))
    }
}

pub(crate) fn write_padding(out: &mut dyn Write, size: u64) -> io::Result<()> {
    if size % 2 == 1 { out.write_all(b"\n") } else { Ok(()) }
}
