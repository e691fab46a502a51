//! Which release an address got a package from, for a while.
//!
//! The documented commands are two requests, package then `.sha256`, on two connections: a switch of releases between them
//! would tear the pair however quick it is. So the second is answered from the release of the first.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lru::LruCache;

/// So many requests look at once without waiting for each other.
const SHARDS: usize = 16;

/// Remembers, in bounded memory.
#[derive(Debug)]
pub(crate) struct Sticky {
    ttl: Duration,
    hasher: RandomState,
    /// When a download from a release that is not current any more last ended.
    late: Mutex<Option<Instant>>,
    shards: [Shard; SHARDS],
}

/// Some of the downloads: the release of each, and when.
type Shard = Mutex<LruCache<Key, (Arc<str>, Instant)>>;

/// Who got which package. Of IPv6, the network of one link: hosts change the rest of their address as they like. A hash stands for the path: a collision would at worst tear a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    client: IpAddr,
    package: u64,
}

impl Sticky {
    /// For `ttl` after a download; at most `capacity` downloads are remembered.
    #[must_use]
    pub(crate) fn new(ttl: Duration, capacity: NonZeroUsize) -> Self {
        let each = capacity.div_ceil(NonZeroUsize::new(SHARDS).expect("not zero"));
        Self {
            ttl,
            hasher: RandomState::new(),
            late: Mutex::new(None),
            shards: std::array::from_fn(|_| Mutex::new(LruCache::new(each))),
        }
    }

    /// Whether a pair that began before `switched` can still be open.
    #[must_use]
    pub(crate) fn may_matter(&self, switched: Instant) -> bool {
        let late = || *self.late.lock().expect("nobody panics while holding it");
        switched.elapsed() < self.ttl || late().is_some_and(|when| when.elapsed() < self.ttl)
    }

    /// A download that `client` began is over: its time counts from now, unless another one began in the meantime.
    pub(crate) fn ended(&self, client: IpAddr, package: &str, release: &Arc<str>, current: &str) {
        let (key, shard) = self.slot(client, package);
        let mut shard = shard.lock().expect("nobody panics while holding it");
        if shard.peek(&key).is_none_or(|(known, _)| known == release) {
            let now = Instant::now();
            shard.put(key, (Arc::clone(release), now));
            if **release != *current {
                *self.late.lock().expect("nobody panics while holding it") = Some(now);
            }
        }
    }

    fn slot(&self, client: IpAddr, package: &str) -> (Key, &Shard) {
        let client = match client {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            IpAddr::V4(_) => client,
        };
        let key = Key { client, package: self.hasher.hash_one(package) };
        let shard = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).expect("below the number of shards");
        (key, &self.shards[shard])
    }

    /// `client` got `package` from `release`.
    pub(crate) fn remember(&self, client: IpAddr, package: &str, release: &Arc<str>) {
        let (key, shard) = self.slot(client, package);
        let mut shard = shard.lock().expect("nobody panics while holding it");
        shard.put(key, (Arc::clone(release), Instant::now()));
    }

    /// The release that `client` last got `package` from.
    #[must_use]
    pub(crate) fn recall(&self, client: IpAddr, package: &str) -> Option<Arc<str>> {
        let (key, shard) = self.slot(client, package);
        let mut shard = shard.lock().expect("nobody panics while holding it");
        let (release, when) = shard.get(&key)?;
        (when.elapsed() < self.ttl).then(|| Arc::clone(release))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn sticky(ttl: Duration, capacity: usize) -> Sticky {
        Sticky::new(ttl, NonZeroUsize::new(capacity).expect("not zero"))
    }

    #[test]
    fn recalls_for_each_address_and_package() {
        let sticky = sticky(Duration::from_mins(2), 1000);
        let (one, two): (Arc<str>, Arc<str>) = ("1".into(), "2".into());
        sticky.remember(CLIENT, "/a.deb", &one);
        sticky.remember(OTHER, "/a.deb", &two);
        sticky.remember(CLIENT, "/b.deb", &two);
        assert_eq!(sticky.recall(CLIENT, "/a.deb"), Some(one));
        assert_eq!(sticky.recall(CLIENT, "/b.deb"), Some(two));
        assert_eq!(sticky.recall(OTHER, "/b.deb"), None);
    }

    #[test]
    fn a_host_that_changes_its_address_on_the_same_link_is_known() {
        let sticky = sticky(Duration::from_mins(2), 1000);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let release: Arc<str> = "1".into();
        sticky.remember(address("2001:db8:0:7::1"), "/a.deb", &release);
        assert_eq!(sticky.recall(address("2001:db8:0:7:8000::2"), "/a.deb"), Some(release));
        assert_eq!(sticky.recall(address("2001:db8:0:8::1"), "/a.deb"), None);
    }

    #[test]
    fn the_time_of_a_long_download_counts_from_its_end() {
        let sticky = sticky(Duration::from_millis(300), 1000);
        let (old, switched): (Arc<str>, Instant) = ("1".into(), Instant::now());
        sticky.remember(CLIENT, "/a.deb", &old);
        std::thread::sleep(Duration::from_millis(350));
        assert!(!sticky.may_matter(switched));
        sticky.ended(CLIENT, "/a.deb", &old, "2");
        assert!(sticky.may_matter(switched));
        assert_eq!(sticky.recall(CLIENT, "/a.deb"), Some(Arc::clone(&old)));
        // A newer download of the same package is what its checksum must fit.
        let new: Arc<str> = "2".into();
        sticky.remember(CLIENT, "/a.deb", &new);
        sticky.ended(CLIENT, "/a.deb", &old, "2");
        assert_eq!(sticky.recall(CLIENT, "/a.deb"), Some(new));
    }

    #[test]
    fn forgets_in_time_and_when_full() {
        let release: Arc<str> = "1".into();
        let brief = sticky(Duration::ZERO, 1000);
        brief.remember(CLIENT, "/a.deb", &release);
        assert_eq!(brief.recall(CLIENT, "/a.deb"), None);

        let small = sticky(Duration::from_mins(2), SHARDS);
        for index in 0..1000 {
            small.remember(CLIENT, &format!("/{index}.deb"), &release);
        }
        let remembered = (0..1000).filter(|index| small.recall(CLIENT, &format!("/{index}.deb")).is_some()).count();
        assert!((1..=SHARDS).contains(&remembered), "{remembered}");
    }
}
