//! Reading archives whose large members may be known already.

use std::io::{self, Read};

use crate::digest::{Digests, FileHasher, Want};

const BUFFER: usize = 128 << 10;

/// The decoded bytes of an archive.
pub(crate) trait Source: Read {
    /// Passes over the whole payload of `size` bytes that starts here, if one whose blocks were compared does.
    fn take_payload(&mut self, size: u64) -> io::Result<Option<Digests>>;
}

/// A source that knows no payloads.
pub(crate) struct Decoded<R>(pub(crate) R);

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Source for Decoded<R> {
    fn take_payload(&mut self, _size: u64) -> io::Result<Option<Digests>> {
        Ok(None)
    }
}

/// The content of one archive member.
pub(crate) struct Body<'a> {
    source: &'a mut dyn Source,
    left: u64,
}

impl<'a> Body<'a> {
    pub(crate) fn new(source: &'a mut dyn Source, size: u64) -> Self {
        Self { source, left: size }
    }

    /// The content, in memory. The source has been limited to what may be held.
    pub(crate) fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        let left = std::mem::take(&mut self.left);
        (&mut *self.source as &mut dyn Read).take(left).read_to_end(&mut data)?;
        if data.len() as u64 == left { Ok(data) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The digests of the content.
    pub(crate) fn digests(&mut self, want: Want) -> io::Result<Digests> {
        let left = std::mem::take(&mut self.left);
        if let Some(known) = self.source.take_payload(left)? {
            return Ok(known);
        }
        let mut hasher = FileHasher::new(want);
        copy_exactly(self.source, left, |data| hasher.update(data))?;
        Ok(hasher.finish())
    }

    /// Passes over what has not been read.
    pub(crate) fn drain(mut self) -> io::Result<()> {
        if self.left > 0 {
            self.digests(Want::Sha256)?;
        }
        Ok(())
    }
}

/// Reads exactly `left` bytes.
pub(crate) fn copy_exactly(source: &mut dyn Read, mut left: u64, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER))];
    while left > 0 {
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        source.read_exact(&mut buffer[..want])?;
        each(&buffer[..want]);
        left -= want as u64;
    }
    Ok(())
}
