//! Which blobs are in memory: each at most once, however many ask, within a budget.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use artifact::Sha256Digest;

use super::resident::{BlobFault, Filler, Resident};

/// How long a blob that failed is not tried again. It bounds what a broken blob costs, whoever asks for it.
const FAULT_PAUSE: Duration = Duration::from_secs(5);

/// Blobs in memory.
///
/// The budget is for what may be forgotten: a blob that somebody is reading stays until the last reader is done. Blobs of the
/// current release always find room; others only up to twice the budget.
#[derive(Debug)]
pub struct BlobCache {
    budget: u64,
    clock: AtomicU64,
    entries: Mutex<Entries>,
}

type Entries = HashMap<Sha256Digest, Arc<Resident>>;

/// What the cache has of a blob.
#[derive(Debug)]
pub enum Found {
    /// It is there, or on its way.
    Here(Arc<Resident>),
    /// It was not there: the caller brings it.
    Begun(Arc<Resident>, Filler),
    /// It could not be had a moment ago.
    Broken(BlobFault),
    /// Too much is being read at the moment.
    Full,
}

/// Whether a blob may be refused for want of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Everybody asks for it.
    Current,
    /// It is of an earlier release.
    Earlier,
}

impl BlobCache {
    /// `budget` in bytes.
    #[must_use]
    pub fn new(budget: u64) -> Self {
        Self { budget, clock: AtomicU64::new(0), entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("nobody panics while holding it")
    }

    /// Looks a blob up, and makes room for it if it is not there.
    pub fn get(&self, digest: Sha256Digest, size: u64, need: Need) -> Found {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut entries = self.entries();
        if let Some(blob) = entries.get(&digest) {
            match blob.failed() {
                None => {
                    blob.touch(now);
                    return Found::Here(Arc::clone(blob));
                }
                Some((fault, when)) if when.elapsed() < FAULT_PAUSE => return Found::Broken(fault),
                Some(_) => {}
            }
        }
        entries.remove(&digest);
        let total = make_room(&mut entries, self.budget, size);
        if need == Need::Earlier && total > self.budget.saturating_mul(2) {
            return Found::Full;
        }
        let (blob, filler) = Resident::begin(digest, size);
        blob.touch(now);
        entries.insert(digest, Arc::clone(&blob));
        Found::Begun(blob, filler)
    }

    /// Gives back what is over the budget and read by nobody any more.
    pub fn trim(&self) {
        make_room(&mut self.entries(), self.budget, 0);
    }

    /// Bytes of all blobs that are there or on their way.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.entries().values().map(|blob| held(blob)).sum()
    }
}

/// What failed holds nothing.
fn held(blob: &Resident) -> u64 {
    if blob.failed().is_some() { 0 } else { blob.size() }
}

/// Forgets what was used longest ago and is read by nobody, until `size` more bytes fit; gives what there would be then.
fn make_room(entries: &mut Entries, budget: u64, size: u64) -> u64 {
    let mut total: u64 = entries.values().map(|blob| held(blob)).sum::<u64>() + size;
    let mut idle: Vec<(u64, Sha256Digest, u64)> = entries
        .iter()
        // Only the map has it, and nobody else can get it while the map is locked.
        .filter(|(_, blob)| Arc::strong_count(blob) == 1 && !blob.is_read())
        .map(|(digest, blob)| (blob.used.load(Ordering::Relaxed), *digest, held(blob)))
        .collect();
    idle.sort_unstable();
    for (_, digest, freed) in idle {
        if total <= budget {
            break;
        }
        entries.remove(&digest);
        total -= freed;
    }
    total
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
        match cache.get(Sha256Digest::of(&content), 100, Need::Current) {
            Found::Begun(blob, mut filler) => {
                filler.add(&content).expect("there is memory");
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
        assert!(matches!(cache.get(Sha256Digest::of(&content(1)), 100, Need::Current), Found::Here(_)));
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
    fn never_forgets_what_is_on_its_way_to_somebody() {
        let cache = BlobCache::new(150);
        let blob = fill(&cache, 1);
        let bytes = blob.bytes().expect("it is there");
        drop(blob);
        drop(fill(&cache, 2));
        assert!(is_here(&cache, 1), "its memory would not be free");
        drop(bytes);
        cache.trim();
        assert!(!is_here(&cache, 1) && is_here(&cache, 2));
    }

    #[test]
    fn earlier_releases_are_refused_before_memory_runs_out_and_memory_is_given_back() {
        let cache = BlobCache::new(100);
        let readers: Vec<_> = (0..2).map(|seed| fill(&cache, seed)).collect();
        let earlier = Sha256Digest::of(&content(9));
        assert!(matches!(cache.get(earlier, 100, Need::Earlier), Found::Full));
        let current = fill(&cache, 10);
        assert_eq!(cache.resident_bytes(), 300);
        drop((readers, current));
        cache.trim();
        assert_eq!(cache.resident_bytes(), 100);
        assert!(matches!(cache.get(earlier, 100, Need::Earlier), Found::Begun(..)));
    }

    #[test]
    fn one_of_all_who_ask_brings_it() {
        let cache = BlobCache::new(1000);
        let digest = Sha256Digest::of(&content(1));
        let Found::Begun(_, filler) = cache.get(digest, 100, Need::Current) else { panic!("nobody asked before") };
        assert!(matches!(cache.get(digest, 100, Need::Current), Found::Here(_)));
        drop(filler);
        assert!(matches!(cache.get(digest, 100, Need::Current), Found::Broken(BlobFault::Abandoned { .. })));
        assert!(matches!(cache.get(digest, 100, Need::Current), Found::Broken(_)), "not tried again at once");
    }
}
