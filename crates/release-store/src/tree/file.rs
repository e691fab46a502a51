use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

use artifact::Sha256Digest;
use sha2::{Digest, Sha256};

/// Large enough that hashing is the bottleneck, small enough to stay in a core's cache.
const BUFFER: usize = 256 << 10;

/// Reads a whole file, or `None` when it has more than `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    // One byte more tells a file that is too large from one that just fits.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= limit).then_some(content))
}

/// The number of bytes in a file and their digest. Stops behind `limit`, so that a file that grows cannot hold it up.
pub(super) fn digest(path: &Path, limit: u64) -> io::Result<(u64, Sha256Digest)> {
    let mut file = File::open(path)?.take(limit.saturating_add(1));
    let (mut size, mut hasher, mut buffer) = (0, Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, Sha256Digest::from_hasher(hasher))),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
