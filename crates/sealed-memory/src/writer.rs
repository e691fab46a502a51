use std::{fs::File, io, num::NonZeroUsize, os::fd::AsFd, os::unix::fs::FileExt, sync::Arc};

use crate::Sealed;

/// The only one who writes.
#[derive(Debug)]
pub struct Writer {
    memory: Arc<Sealed>,
    file: File,
    written: usize,
}

impl Writer {
    /// Room for `len` bytes. It costs memory only as it is written.
    pub fn new(len: NonZeroUsize) -> io::Result<Self> {
        let memory = Arc::new(Sealed::new(len)?);
        let file = File::from(memory.as_fd().try_clone_to_owned()?);
        Ok(Self { memory, file, written: 0 })
    }

    /// What is written to.
    #[must_use]
    pub fn memory(&self) -> Arc<Sealed> {
        Arc::clone(&self.memory)
    }

    /// Writes behind what is written. More than there is room for is an error, after which nothing counts as written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.written as u64)?;
        self.memory.advance(bytes.len());
        self.written += bytes.len();
        Ok(())
    }

    /// From now on, the kernel refuses every write.
    pub fn seal(self) -> io::Result<Arc<Sealed>> {
        self.memory.seal()?;
        Ok(self.memory)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::fd::AsRawFd};

    use super::*;

    const LEN: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

    fn content() -> Vec<u8> {
        (0..LEN.get()).map(|index| (index % 251).to_le_bytes()[0]).collect()
    }

    #[test]
    fn bytes_are_read_in_place_while_more_are_written() {
        let content = content();
        let mut writer = Writer::new(LEN).expect("memory");
        let memory = writer.memory();
        writer.append(&content[..70_001]).expect("there is room");
        let first = memory.bytes(0, 70_001);
        assert_eq!(first, content[..70_001]);
        writer.append(&content[70_001..]).expect("there is room");
        drop(writer.seal().expect("nobody else has it"));
        let second = memory.bytes(70_001, LEN.get());
        assert_eq!((&first[..], &second[..]), (&content[..70_001], &content[70_001..]));
        assert_eq!(memory.offset_of(&second[5..9]), Some(70_006));
        assert_eq!(memory.offset_of(&content[..10]), None);
        assert!(Sealed::is_read(&memory));
        drop(first);
        assert!(Sealed::is_read(&memory));
        drop(memory);
        assert_eq!(second[..], content[70_001..], "a slice keeps the memory");
    }

    #[test]
    fn nobody_can_shrink_it_or_write_to_it_by_another_way() {
        let mut writer = Writer::new(LEN).expect("memory");
        let memory = writer.memory();
        writer.append(&content()).expect("there is room");
        let bytes = memory.bytes(0, LEN.get());
        drop(writer.seal().expect("nobody else has it"));
        let path = format!("/proc/self/fd/{}", memory.as_fd().as_raw_fd());
        let file = fs::OpenOptions::new().write(true).open(path);
        let refused = file.and_then(|file| file.set_len(1).and(file.write_all_at(b"x", 0)));
        assert_eq!(refused.expect_err("sealed").kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(bytes, content());
    }

    #[test]
    fn there_is_no_room_for_more() {
        let mut writer = Writer::new(LEN).expect("memory");
        writer.append(&content()).expect("there is room");
        assert!(writer.append(b"x").is_err());
    }

    #[test]
    #[should_panic(expected = "only what is written can be read")]
    fn what_is_not_written_cannot_be_read() {
        let mut writer = Writer::new(LEN).expect("memory");
        writer.append(b"0123456789").expect("there is room");
        let _ = writer.memory().bytes(5, 11);
    }

    #[test]
    fn the_memory_is_given_back() {
        let mut writer = Writer::new(LEN).expect("memory");
        writer.append(b"given back").expect("there is room");
        let bytes = writer.memory().bytes(0, 5);
        let memory = Arc::downgrade(&writer.memory());
        drop(writer);
        assert!(memory.upgrade().is_some());
        drop(bytes);
        assert!(memory.upgrade().is_none());
    }
}
