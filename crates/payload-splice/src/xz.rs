//! The .xz container: blocks, index and footer (The .xz File Format 1.2.1).

use std::io::{self, Read, Write};

use liblzma::{read::XzDecoder, stream::Stream};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{CodecError, compress_block},
    level::Level,
    payload::{CompressedPayload, ImageError},
};

/// Magic, flags with CRC64 (what xz writes by default), CRC32 of the flags.
const STREAM_HEADER: [u8; 12] = [0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4, 0xe6, 0xd6, 0xb4, 0x46];
const STREAM_FLAGS: [u8; 2] = [0, 4];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";
const FOOTER: usize = 12;
const CRC64: u64 = 8;

/// Decoders of packages have 100 MiB (rpm); the largest dictionary used here needs 65.
const DECODER_MEMORY: u64 = 100 << 20;

/// What is not payload is compressed in blocks of this size.
const PLAIN_BLOCK: usize = 16 << 20;

/// Bytes that are no .xz stream as packages may hold it.
#[derive(Debug, thiserror::Error)]
pub enum XzError {
    /// A part of the container is wrong.
    #[error("the .xz stream has a bad {0}")]
    Bad(&'static str),
    /// liblzma refused to decode.
    #[error("the .xz stream cannot be decoded")]
    Decode(#[source] liblzma::stream::Error),
}

/// The sizes of one block, as an index records them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockSize {
    /// Block header, compressed data and check, without the padding.
    pub(crate) unpadded: u64,
    pub(crate) uncompressed: u64,
}

impl BlockSize {
    /// Bytes of the block in a stream; `None` if the record is absurd.
    pub(crate) fn stored(self) -> Option<u64> {
        self.unpadded.checked_next_multiple_of(4)
    }
}

/// One compressed block, padded.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) size: BlockSize,
    pub(crate) bytes: Vec<u8>,
}

impl Block {
    /// Cuts the block out of a complete stream that liblzma wrote, and states both sizes in its header, as xz with threads
    /// does: decoders with threads can then work on several blocks at once.
    pub(crate) fn from_stream(mut stream: Vec<u8>) -> Result<Self, XzError> {
        let size = match XzStream::parse(&stream)?.blocks.as_slice() {
            [(size, _)] => *size,
            _ => return Err(XzError::Bad("number of blocks")),
        };
        let old_header = STREAM_HEADER.len()..STREAM_HEADER.len() + 12;
        let dictionary = match stream.get(old_header.clone()) {
            Some([2, 0, 0x21, 1, dictionary, 0, 0, 0, ..]) => *dictionary,
            _ => return Err(XzError::Bad("block header")),
        };
        let compressed = size.unpadded.checked_sub(12 + CRC64).ok_or(XzError::Bad("block size"))?;
        let mut header = vec![0, 0xc0];
        write_number(&mut header, compressed);
        write_number(&mut header, size.uncompressed);
        header.extend([0x21, 1, dictionary]);
        header.resize(header.len().next_multiple_of(4), 0);
        header[0] = u8::try_from(header.len() / 4).map_err(|_| XzError::Bad("block header"))?;
        let crc = crc32fast::hash(&header);
        header.extend(crc.to_le_bytes());
        let size = BlockSize { unpadded: header.len() as u64 + compressed + CRC64, ..size };
        let stored = size.stored().and_then(|stored| usize::try_from(stored).ok()).ok_or(XzError::Bad("block size"))?;
        stream.splice(..old_header.end, header);
        // The old block's padding is the new one's: both headers are multiples of four.
        stream.truncate(stored);
        Ok(Self { size, bytes: stream })
    }
}

/// The parts of a stream, found through its index; blocks are not decoded.
#[derive(Debug)]
pub(crate) struct XzStream<'a> {
    pub(crate) blocks: Vec<(BlockSize, &'a [u8])>,
}

impl<'a> XzStream<'a> {
    /// Takes `bytes` apart, which must be exactly one stream with CRC64 checks.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, XzError> {
        let rest = bytes.strip_prefix(&STREAM_HEADER).ok_or(XzError::Bad("header"))?;
        let (rest, footer) = rest.split_last_chunk::<FOOTER>().ok_or(XzError::Bad("length"))?;
        let [c0, c1, c2, c3, fields @ .., m0, m1] = footer;
        if [*m0, *m1] != FOOTER_MAGIC
            || fields[4..] != STREAM_FLAGS
            || crc32fast::hash(fields) != u32::from_le_bytes([*c0, *c1, *c2, *c3])
        {
            return Err(XzError::Bad("footer"));
        }
        let backward = u32::from_le_bytes([fields[0], fields[1], fields[2], fields[3]]);
        let index_size = (backward as usize + 1).checked_mul(4).ok_or(XzError::Bad("index"))?;
        let split = rest.len().checked_sub(index_size).ok_or(XzError::Bad("index"))?;
        let (mut area, index) = rest.split_at(split);
        let mut blocks = Vec::new();
        for size in read_index(index).ok_or(XzError::Bad("index"))? {
            let stored = size.stored().and_then(|stored| usize::try_from(stored).ok());
            let (block, next) = stored.and_then(|stored| area.split_at_checked(stored)).ok_or(XzError::Bad("index"))?;
            blocks.push((size, block));
            area = next;
        }
        if area.is_empty() { Ok(Self { blocks }) } else { Err(XzError::Bad("index")) }
    }
}

/// Decodes one stream; what follows it is an error of the next reader, not of this one.
pub(crate) fn decoder<R: Read>(stream: R) -> Result<XzDecoder<R>, XzError> {
    Ok(XzDecoder::new_stream(stream, Stream::new_stream_decoder(DECODER_MEMORY, 0).map_err(XzError::Decode)?))
}

/// Decodes one block.
pub(crate) fn block_decoder(size: BlockSize, block: &[u8]) -> Result<impl Read + '_, XzError> {
    decoder((&STREAM_HEADER[..]).chain(block).chain(io::Cursor::new(tail(&[size]))))
}

enum Segment<'a> {
    Plain(Block),
    Payload(&'a CompressedPayload),
}

/// Collects the content of a stream: bytes that are compressed here, and payloads whose blocks are ready.
pub(crate) struct XzBuilder<'a> {
    level: Level,
    pending: Vec<u8>,
    segments: Vec<Segment<'a>>,
}

impl<'a> XzBuilder<'a> {
    pub(crate) fn new(level: Level) -> Self {
        Self { level, pending: Vec::new(), segments: Vec::new() }
    }

    pub(crate) fn plain(&mut self, mut data: &[u8]) -> Result<(), CodecError> {
        while !data.is_empty() {
            let (part, rest) = data.split_at(data.len().min(PLAIN_BLOCK - self.pending.len()));
            self.pending.extend_from_slice(part);
            data = rest;
            if self.pending.len() == PLAIN_BLOCK {
                self.flush()?;
            }
        }
        Ok(())
    }

    pub(crate) fn payload(&mut self, payload: &'a CompressedPayload) -> Result<(), CodecError> {
        self.flush()?;
        self.segments.push(Segment::Payload(payload));
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<XzImage<'a>, CodecError> {
        self.flush()?;
        let mut sizes = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Plain(block) => sizes.push(block.size),
                Segment::Payload(payload) => sizes.extend_from_slice(payload.blocks()),
            }
        }
        let blocks: u64 = sizes.iter().filter_map(|size| size.stored()).sum();
        let tail = tail(&sizes);
        let len = STREAM_HEADER.len() as u64 + blocks + tail.len() as u64;
        Ok(XzImage { segments: self.segments, tail, len })
    }

    fn flush(&mut self) -> Result<(), CodecError> {
        if !self.pending.is_empty() {
            self.segments.push(Segment::Plain(compress_block(&self.pending, self.level, &|_| ())?));
            self.pending.clear();
        }
        Ok(())
    }
}

/// A complete stream whose payload blocks are still on disk.
pub(crate) struct XzImage<'a> {
    segments: Vec<Segment<'a>>,
    tail: Vec<u8>,
    len: u64,
}

impl XzImage<'_> {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes the stream; the same bytes every time. A payload whose stored blocks went away is an error.
    pub(crate) fn write_to(&self, out: &mut dyn Write) -> Result<(), ImageError> {
        out.write_all(&STREAM_HEADER).map_err(ImageError::Write)?;
        for segment in &self.segments {
            match segment {
                Segment::Plain(block) => out.write_all(&block.bytes).map_err(ImageError::Write)?,
                Segment::Payload(payload) => payload.write_blocks(out)?,
            }
        }
        out.write_all(&self.tail).map_err(ImageError::Write)
    }
}

/// Index and footer of a stream with these blocks.
fn tail(sizes: &[BlockSize]) -> Vec<u8> {
    let mut tail = vec![0];
    write_number(&mut tail, sizes.len() as u64);
    for size in sizes {
        write_number(&mut tail, size.unpadded);
        write_number(&mut tail, size.uncompressed);
    }
    tail.resize(tail.len().next_multiple_of(4), 0);
    tail.extend(crc32fast::hash(&tail).to_le_bytes());
    let backward = u32::try_from(tail.len() / 4 - 1).expect("an index of a few thousand blocks is far below 16 GiB");
    let mut fields = [0; 6];
    fields[..4].copy_from_slice(&backward.to_le_bytes());
    fields[4..].copy_from_slice(&STREAM_FLAGS);
    tail.extend(crc32fast::hash(&fields).to_le_bytes());
    tail.extend(fields);
    tail.extend(FOOTER_MAGIC);
    tail
}

fn read_index(index: &[u8]) -> Option<Vec<BlockSize>> {
    let (records, crc) = index.split_last_chunk::<4>()?;
    if crc32fast::hash(records) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut records = records.strip_prefix(&[0])?;
    let count = read_number(&mut records)?;
    let mut sizes = Vec::new();
    for _ in 0..count {
        let unpadded = read_number(&mut records).filter(|size| *size > 0)?;
        sizes.push(BlockSize { unpadded, uncompressed: read_number(&mut records)? });
    }
    (records.len() < 4 && records.iter().all(|byte| *byte == 0)).then_some(sizes)
}

/// Appends a variable-length number: seven bits a byte, the lowest first.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return (*byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(parts: &[&[u8]]) -> Vec<u8> {
        let mut builder = XzBuilder::new(Level::default());
        for part in parts {
            builder.plain(part).expect("memory suffices");
            builder.flush().expect("memory suffices");
        }
        let image = builder.finish().expect("memory suffices");
        let mut bytes = Vec::new();
        image.write_to(&mut bytes).expect("a Vec takes all");
        assert_eq!(image.len(), bytes.len() as u64);
        bytes
    }

    #[test]
    fn every_level_decodes_in_the_memory_that_rpm_has() {
        let data = b"some text, again some text".repeat(99);
        for level in 0..=9 {
            let mut builder = XzBuilder::new(Level::new(level).expect("it is a level"));
            builder.plain(&data).expect("memory suffices");
            let mut bytes = Vec::new();
            builder.finish().expect("memory suffices").write_to(&mut bytes).expect("a Vec takes all");
            let mut whole = Vec::new();
            decoder(bytes.as_slice()).expect("memory suffices").read_to_end(&mut whole).expect("the stream is good");
            assert_eq!(whole, data, "{level}");
        }
    }

    proptest! {
        #[test]
        fn numbers_round_trip(number in 0u64..1 << 63) {
            let mut bytes = Vec::new();
            write_number(&mut bytes, number);
            prop_assert_eq!(read_number(&mut bytes.as_slice()), Some(number));
        }

        #[test]
        fn streams_of_several_blocks_decode_whole_and_block_by_block(parts: Vec<Vec<u8>>) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).filter(|part| !part.is_empty()).collect();
            let bytes = image(&parts);
            let mut whole = Vec::new();
            decoder(bytes.as_slice()).expect("memory suffices").read_to_end(&mut whole).expect("the stream is good");
            prop_assert_eq!(whole, parts.concat());
            let stream = XzStream::parse(&bytes).expect("the stream is good");
            prop_assert_eq!(stream.blocks.len(), parts.len());
            for ((size, block), part) in stream.blocks.into_iter().zip(parts) {
                let mut data = Vec::new();
                block_decoder(size, block).expect("memory suffices").read_to_end(&mut data).expect("the block is good");
                prop_assert_eq!(data, part);
            }
        }

        #[test]
        fn mutated_streams_never_panic_and_never_decode_to_other_bytes(
            data: Vec<u8>, at: prop::sample::Index, byte: u8, cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let good = image(&[&data]);
            let mut bytes = good.clone();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(cut) = cut {
                bytes.truncate(cut.index(good.len()));
            }
            prop_assume!(bytes != good);
            let _ = XzStream::parse(&bytes);
            let _ = Block::from_stream(bytes.clone());
            let mut whole = Vec::new();
            let read = decoder(bytes.as_slice()).expect("memory suffices").read_to_end(&mut whole);
            prop_assert!(read.is_err() || whole == data);
        }
    }
}
