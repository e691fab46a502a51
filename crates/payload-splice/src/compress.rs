//! One file into blocks, on several threads.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    num::NonZeroUsize,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use crate::{
    codec::{CodecError, compress_block, split},
    digest::{Digests, FileHasher, Want},
    level::Level,
    xz::Block,
};

/// What failed in [`compress_all`].
#[derive(Debug)]
pub(crate) enum Failure {
    Read(io::Error),
    Compress(CodecError),
    Write(io::Error),
}

type Job = (usize, Vec<u8>);
type Done = (usize, Result<Block, CodecError>);

/// Reads `size` bytes of `input` once, hashing them, and hands their blocks to `each` in order.
pub(crate) fn compress_all(
    input: &mut dyn Read,
    size: u64,
    level: Level,
    threads: NonZeroUsize,
    progress: &(dyn Fn(u64) + Sync),
    each: impl FnMut(Block) -> io::Result<()>,
) -> Result<Digests, Failure> {
    let sizes = split(size);
    // Without room in the channel, at most one block waits in memory for a thread.
    let (give, jobs) = mpsc::sync_channel::<Job>(0);
    let (report, done) = mpsc::channel::<Done>();
    // Owned by the threads alone: if all of them were gone, giving a job would fail rather than wait for ever.
    let jobs = Arc::new(Mutex::new(jobs));
    thread::scope(|scope| {
        for _ in 0..threads.get().min(sizes.len()) {
            let (jobs, report) = (Arc::clone(&jobs), report.clone());
            scope.spawn(move || {
                while let Some((number, data)) = next(&jobs) {
                    let block = compress_block(&data, level, &|bytes| progress(bytes));
                    drop(data);
                    if report.send((number, block)).is_err() {
                        break;
                    }
                }
            });
        }
        drop((jobs, report));
        feed(input, &sizes, give, &done, each)
    })
}

fn next(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    jobs.lock().ok()?.recv().ok()
}

/// Takes `give` by value: when it returns, early or not, the threads see that there is no more work.
fn feed(
    input: &mut dyn Read,
    sizes: &[u64],
    give: mpsc::SyncSender<Job>,
    done: &mpsc::Receiver<Done>,
    each: impl FnMut(Block) -> io::Result<()>,
) -> Result<Digests, Failure> {
    let mut hasher = FileHasher::new(Want::Sha256AndMd5);
    let mut ordered = InOrder { each, waiting: BTreeMap::new(), next: 0 };
    for (number, size) in sizes.iter().enumerate() {
        let mut data = Vec::new();
        data.try_reserve_exact(usize::try_from(*size).unwrap_or(usize::MAX))
            .map_err(|_| Failure::Read(io::ErrorKind::OutOfMemory.into()))?;
        (&mut *input).take(*size).read_to_end(&mut data).map_err(Failure::Read)?;
        if data.len() as u64 != *size {
            return Err(Failure::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        hasher.update(&data);
        give.send((number, data)).expect("a thread that compresses ends only when there is no more work");
        while let Ok(block) = done.try_recv() {
            ordered.take(block)?;
        }
    }
    drop(give);
    while let Ok(block) = done.recv() {
        ordered.take(block)?;
    }
    Ok(hasher.finish())
}

/// Holds blocks back until it is their turn.
struct InOrder<F> {
    each: F,
    waiting: BTreeMap<usize, Block>,
    next: usize,
}

impl<F: FnMut(Block) -> io::Result<()>> InOrder<F> {
    fn take(&mut self, (number, block): Done) -> Result<(), Failure> {
        self.waiting.insert(number, block.map_err(Failure::Compress)?);
        while let Some(block) = self.waiting.remove(&self.next) {
            (self.each)(block).map_err(Failure::Write)?;
            self.next += 1;
        }
        Ok(())
    }
}
