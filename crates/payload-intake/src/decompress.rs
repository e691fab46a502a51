use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use liblzma::{bufread::XzDecoder, stream};

use crate::Compression;

/// What an .xz stream may make the decoder allocate: `xz -9` needs 65 MiB, the format allows 4 GiB.
const XZ_MEMORY: u64 = 256 << 20;

/// The largest zstd window, as a power of two: the format's own advice for decoders is 8 MiB, `--ultra -22` needs 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Decompresses `compressed` up to its end; bytes after the last stream are an error.
pub(crate) fn decoder<'a>(compression: Compression, compressed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Plain => Box::new(compressed),
        Compression::Gzip => Box::new(MultiGzDecoder::new(compressed)),
        Compression::Xz => {
            let xz = stream::Stream::new_stream_decoder(XZ_MEMORY, stream::CONCATENATED)?;
            Box::new(XzDecoder::new_stream(compressed, xz))
        }
        Compression::Zstd => {
            let mut zstd = zstd::stream::read::Decoder::with_buffer(compressed)?;
            zstd.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(zstd)
        }
    })
}
