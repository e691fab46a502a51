//! Which blobs are in memory: each at most once, however many ask, within a budget.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use artifact::Sha256Digest;

use super::resident::{BlobFault, Filler, Resident};

/// How long a blob that failed is not tried again. It bounds what a broken blob costs, whoever asks for it.
const FAULT_PAUSE: Duration = Duration::from_secs(5);

/// Blobs in memory.
///
/// The budget is for what may be forgotten: a blob that somebody is reading stays until the last reader is done, so the
/// memory in use is bounded by the budget or by all that the served releases hold.
#[derive(Debug)]
pub struct BlobCache {
    budget: u64,
    clock: AtomicU64,
    entries: Mutex<HashMap<Sha256Digest, Entry>>,
}

#[derive(Debug)]
enum Entry {
    Blob(Arc<Resident>),
    Broken { fault: BlobFault, until: Instant },
}

/// What the cache has of a blob.
#[derive(Debug)]
pub enum Found {
    /// It is there, or on its way.
    Here(Arc<Resident>),
    /// It was not there: the caller brings it.
    Begun(Arc<Resident>, Filler),
    /// It could not be had a moment ago.
    Broken(BlobFault),
}

impl BlobCache {
    /// `budget` in bytes.
    #[must_use]
    pub fn new(budget: u64) -> Self {
        Self { budget, clock: AtomicU64::new(0), entries: Mutex::default() }
    }

    /// Looks a blob up, and makes room for it if it is not there.
    pub fn get(&self, digest: Sha256Digest, size: u64) -> Found {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut entries = self.entries.lock().expect("nobody panics while holding it");
        match entries.get(&digest) {
            Some(Entry::Broken { fault, until }) if Instant::now() < *until => return Found::Broken(fault.clone()),
            Some(Entry::Blob(blob)) => match blob.fault() {
                None => {
                    blob.touch(now);
                    return Found::Here(Arc::clone(blob));
                }
                Some(fault) => {
                    let until = Instant::now() + FAULT_PAUSE;
                    entries.insert(digest, Entry::Broken { fault: fault.clone(), until });
                    return Found::Broken(fault);
                }
            },
            Some(Entry::Broken { .. }) | None => {}
        }
        make_room(&mut entries, self.budget, size);
        let (blob, filler) = Resident::begin(digest, size);
        blob.touch(now);
        entries.insert(digest, Entry::Blob(Arc::clone(&blob)));
        Found::Begun(blob, filler)
    }

    /// Bytes of all blobs that are there or on their way.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let entries = self.entries.lock().expect("nobody panics while holding it");
        entries.values().filter_map(Entry::size).sum()
    }
}

impl Entry {
    fn size(&self) -> Option<u64> {
        match self {
            Self::Blob(blob) => Some(blob.size()),
            Self::Broken { .. } => None,
        }
    }
}

/// Forgets what was used longest ago and is read by nobody, until `size` more bytes fit.
fn make_room(entries: &mut HashMap<Sha256Digest, Entry>, budget: u64, size: u64) {
    let mut total: u64 = entries.values().filter_map(Entry::size).sum::<u64>() + size;
    let mut idle: Vec<(u64, Sha256Digest, u64)> = entries
        .iter()
        .filter_map(|(digest, entry)| match entry {
            // Only the map has it, and nobody else can get it while the map is locked.
            Entry::Blob(blob) if Arc::strong_count(blob) == 1 => {
                Some((blob.used.load(Ordering::Relaxed), *digest, blob.size()))
            }
            Entry::Blob(_) | Entry::Broken { .. } => None,
        })
        .collect();
    idle.sort_unstable();
    for (_, digest, freed) in idle {
        if total <= budget {
            break;
        }
        entries.remove(&digest);
        total -= freed;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn content(seed: u8) -> Bytes {
        Bytes::from(vec![seed; 100])
    }

    fn fill(cache: &BlobCache, seed: u8) -> Arc<Resident> {
        let content = content(seed);
        match cache.get(Sha256Digest::of(&content), 100) {
            Found::Begun(blob, mut filler) => {
                filler.add(content);
                filler.finish().expect("the right bytes");
                blob
            }
            other => panic!("{other:?}"),
        }
    }

    fn is_here(cache: &BlobCache, seed: u8) -> bool {
        let entries = cache.entries.lock().expect("not poisoned");
        entries.contains_key(&Sha256Digest::of(&content(seed)))
    }

    #[test]
    fn forgets_what_was_used_longest_ago() {
        let cache = BlobCache::new(250);
        drop((fill(&cache, 1), fill(&cache, 2)));
        assert!(matches!(cache.get(Sha256Digest::of(&content(1)), 100), Found::Here(_)));
        drop(fill(&cache, 3));
        assert!(is_here(&cache, 1) && !is_here(&cache, 2) && is_here(&cache, 3));
        assert_eq!(cache.resident_bytes(), 200);
    }

    #[test]
    fn never_forgets_what_is_being_read() {
        let cache = BlobCache::new(150);
        let _reader = fill(&cache, 1);
        drop(fill(&cache, 2));
        drop(fill(&cache, 3));
        assert!(is_here(&cache, 1) && !is_here(&cache, 2) && is_here(&cache, 3));
    }

    #[test]
    fn one_of_all_who_ask_brings_it() {
        let cache = BlobCache::new(1000);
        let digest = Sha256Digest::of(&content(1));
        let Found::Begun(_, filler) = cache.get(digest, 100) else { panic!("nobody asked before") };
        assert!(matches!(cache.get(digest, 100), Found::Here(_)));
        drop(filler);
        assert!(matches!(cache.get(digest, 100), Found::Broken(BlobFault::Abandoned { .. })));
        assert!(matches!(cache.get(digest, 100), Found::Broken(_)), "not tried again at once");
    }
}
