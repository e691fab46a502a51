//! A package's stream, read without decoding the payload blocks that are known.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read},
};

use crate::{
    body::Source,
    digest::Digests,
    payload::{CompressedPayload, ImageError},
    xz::{BlockSize, XzError, XzStream, block_decoder},
};

enum Piece<'a> {
    /// Still compressed.
    Coded(BlockSize, &'a [u8]),
    /// Being decoded, with the bytes that its index promises.
    Open(Box<dyn Read + 'a>, u64),
    Payload(&'a CompressedPayload),
}

/// Why a stream cannot be read in pieces.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PiecesError {
    #[error(transparent)]
    Stream(#[from] XzError),
    #[error(transparent)]
    Stored(#[from] ImageError),
}

/// The decoded bytes of a stream, with holes where known payloads are.
pub(crate) struct Pieces<'a> {
    pieces: VecDeque<Piece<'a>>,
    found: Vec<&'a CompressedPayload>,
}

impl<'a> Pieces<'a> {
    /// Compares the blocks of `stream`, byte for byte, with those of each payload.
    pub(crate) fn new(stream: &'a [u8], known: &[&'a CompressedPayload]) -> Result<Self, PiecesError> {
        let blocks = XzStream::parse(stream)?.blocks;
        let (mut pieces, mut found) = (VecDeque::new(), Vec::new());
        let mut rest = blocks.as_slice();
        while let Some(((size, block), next)) = rest.split_first() {
            let mut here = None;
            for payload in known {
                if starts_with(rest, payload)? {
                    here = Some(*payload);
                    break;
                }
            }
            if let Some(payload) = here {
                found.push(payload);
                pieces.push_back(Piece::Payload(payload));
                rest = &rest[payload.blocks().len()..];
            } else {
                pieces.push_back(Piece::Coded(*size, block));
                rest = next;
            }
        }
        Ok(Self { pieces, found })
    }

    /// The payloads whose blocks are in the stream.
    pub(crate) fn found(&self) -> &[&'a CompressedPayload] {
        &self.found
    }

    /// Opens the piece at the front; past the end of one, its check is verified and the next one taken.
    fn settle(&mut self) -> io::Result<Option<&mut Piece<'a>>> {
        loop {
            match self.pieces.front_mut() {
                Some(Piece::Coded(size, block)) => {
                    let reader = Box::new(block_decoder(*size, block).map_err(io::Error::other)?);
                    let left = size.uncompressed;
                    self.pieces[0] = Piece::Open(reader, left);
                }
                Some(Piece::Open(reader, 0)) => {
                    if reader.read(&mut [0])? != 0 {
                        return Err(invalid("a block is longer than its index says"));
                    }
                    self.pieces.pop_front();
                }
                _ => return Ok(self.pieces.front_mut()),
            }
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.settle()? {
            None => Ok(0),
            Some(Piece::Open(reader, left)) => {
                let read = reader.read(buffer)?;
                if read == 0 {
                    return Err(invalid("a block is shorter than its index says"));
                }
                *left =
                    left.checked_sub(read as u64).ok_or_else(|| invalid("a block is longer than its index says"))?;
                Ok(read)
            }
            Some(_) => Err(invalid("a payload's blocks are not where a file of its size begins")),
        }
    }
}

impl Source for Pieces<'_> {
    fn take_payload(&mut self, size: u64) -> io::Result<Option<Digests>> {
        let Some(Piece::Payload(payload)) = self.settle()? else { return Ok(None) };
        if payload.size() != size {
            return Ok(None);
        }
        let digests = Digests { sha256: payload.sha256(), md5: payload.md5() };
        self.pieces.pop_front();
        Ok(Some(digests))
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Whether the first blocks are those of `payload`.
fn starts_with(blocks: &[(BlockSize, &[u8])], payload: &CompressedPayload) -> Result<bool, ImageError> {
    let sizes = payload.blocks();
    let Some(blocks) = blocks.get(..sizes.len()).filter(|blocks| !blocks.is_empty()) else { return Ok(false) };
    if blocks.iter().zip(sizes).any(|((size, _), known)| size != known) {
        return Ok(false);
    }
    let error = |source| ImageError::Payload { path: payload.path().to_owned(), source };
    let mut stored = File::open(payload.path()).map_err(error)?;
    let mut buffer = vec![0; 256 << 10];
    for (_, block) in blocks {
        for part in block.chunks(buffer.len()) {
            let buffer = &mut buffer[..part.len()];
            stored.read_exact(buffer).map_err(error)?;
            if buffer != part {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
