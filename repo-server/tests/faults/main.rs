//! A store that fails, dawdles, cuts and corrupts, under a server that serves from it.
//!
//! Built only with the feature `servers`, and no part of `tests/abuse`: a store finds no port beside ten thousand connections.

#![cfg(feature = "servers")]
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use artifact::Sha256Digest;
use release_store::{Access, PublishOptions, Store, StoreOptions, testing::Tree as Release};
use testkit::{
    client::Dial,
    process::Server as ObjectStore,
    proxy::{Fault, Proxy, Rule},
    raw::{Answer, get, read_head},
    server::Server,
    stores::{BUCKET, S3_SETTINGS},
};

const PACKAGE: &str = "/install/deb/amd64/istio-sidecar.deb";
const CHECKSUM: &str = "/install/deb/amd64/istio-sidecar.deb.sha256";
/// Of another blob.
const AGENT: &str = "/install/deb/amd64/onboarding-agent.deb";

/// A small request to a store may take a minute with all its repetitions. Two would be too long to say nothing.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(90);

/// What is in memory takes no longer, whatever the store does.
const FROM_MEMORY: Duration = Duration::from_secs(2);

/// A server that reaches its store through a proxy, and those who publish past it.
struct Behind {
    server: Server,
    proxy: Proxy,
    store: Store,
    releases: Vec<Release>,
    _object_store: ObjectStore,
}

impl Behind {
    /// With one release, of which nothing was asked for yet.
    fn new() -> Self {
        let object_store = ObjectStore::ministack();
        let proxy = Proxy::before(object_store.port());
        let url = format!("s3://{BUCKET}/mesh");
        let settings = S3_SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let options = StoreOptions {
            endpoint: Some(object_store.url().parse().expect("an endpoint")),
            settings: BTreeMap::from(settings),
            ..StoreOptions::default()
        };
        let store = Store::open(&url.parse().expect("a store URL"), &options, Access::Write).expect("it can be set up");
        let releases = vec![publish(&store, 1)];
        let mut command = Server::command(&[]);
        command.envs(S3_SETTINGS.map(|(key, value)| (key.to_ascii_uppercase(), value)));
        command.args(["--store", &url, "--endpoint", &format!("http://127.0.0.1:{}", proxy.port())]);
        let behind = Self { server: Server::spawn(command), proxy, store, releases, _object_store: object_store };
        behind.serves(1);
        behind
    }

    fn publish(&mut self) {
        let release = publish(&self.store, self.releases.len() + 1);
        self.releases.push(release);
    }

    fn fault(&self, part: &'static str, fault: Fault, times: usize) {
        self.proxy.set(Some(Rule { method: "GET", part, fault, times }));
    }

    /// Waits for a release.
    fn serves(&self, number: usize) {
        let number = number.to_string();
        self.server.wait_within(GIVEN_UP_WITHIN, "served it", |server| {
            get(server.address, "/install/").header("slipway-release") == Some(&number)
        });
    }

    fn get(&self, path: &str) -> std::io::Result<Answer> {
        Dial::open(self.server.address).get(path)
    }

    /// The bytes of the first release, in time.
    fn is_right(&self, path: &str) {
        let asked = Instant::now();
        let answer = self.get(path).expect("it comes whole");
        assert!(asked.elapsed() < FROM_MEMORY, "{path} took {:?}", asked.elapsed());
        assert_eq!((answer.status, Sha256Digest::of(&answer.body)), (200, self.digest(path)), "{path}");
    }

    fn digest(&self, path: &str) -> Sha256Digest {
        let mut artifacts = self.releases[0].manifest.artifacts.iter();
        artifacts.find(|artifact| artifact.path.to_string() == path).expect("every tree has it").sha256
    }

    /// Broken, or refused with a word about later, and never whole.
    fn is_not_served(&self, path: &str) {
        let answer = self.get(path);
        let status = answer.map_or(0, |answer| answer.status);
        assert!(matches!(status, 0 | 503), "{path}: {status}");
    }

    fn failures(&self) -> u64 {
        self.server.metric("slipway_release_load_failures_total")
    }

    fn fills(&self, result: &str) -> u64 {
        self.server.metric(&format!("slipway_blob_fills_total{{result=\"{result}\"}}"))
    }
}

/// A new release, past the proxy.
fn publish(store: &Store, number: usize) -> Release {
    let release = Release::of_version(&format!("1:{number}-1"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
    let options = PublishOptions::default();
    runtime.block_on(store.publish(release.dir(), &options, Arc::new(()))).expect("nothing is in its way");
    release
}

/// The store does `fault` to all that it is asked: what is in memory is served, the log says that there is nothing new, and
/// when the store is well again, its newest release is served.
fn what_is_in_memory_is_served_while(fault: Fault) {
    let mut behind = Behind::new();
    behind.is_right(PACKAGE);
    assert_eq!(behind.failures(), 0, "{fault:?}: {}", behind.server.log());
    behind.fault("", fault, usize::MAX);
    behind.publish();
    let start = Instant::now();
    behind.server.wait_within(GIVEN_UP_WITHIN, "complained", |server| {
        behind.is_right(PACKAGE);
        server.log().contains("no new release is served")
    });
    println!("{fault:?}: noticed after {:?}", start.elapsed());
    assert_eq!(behind.failures(), 1, "{fault:?}");
    assert_eq!(get(behind.server.ops, "/readyz").status, 200, "{fault:?}");
    behind.is_right(PACKAGE);
    behind.proxy.set(None);
    behind.serves(2);
    assert_eq!(behind.get(AGENT).expect("it comes whole").status, 200, "{fault:?}");
}

#[test]
fn what_is_in_memory_is_served_while_the_store_answers_errors() {
    what_is_in_memory_is_served_while(Fault::Refuse(500));
}

#[test]
fn what_is_in_memory_is_served_while_the_store_refuses_the_credentials() {
    what_is_in_memory_is_served_while(Fault::Refuse(403));
}

#[test]
fn what_is_in_memory_is_served_while_the_store_hangs() {
    what_is_in_memory_is_served_while(Fault::Stall);
}

#[test]
fn what_is_in_memory_is_served_while_the_store_cuts_all_answers_short() {
    what_is_in_memory_is_served_while(Fault::CutBody(10));
}

#[test]
fn a_body_that_is_cut_twice_is_read_on_and_one_that_is_always_cut_is_never_served_as_whole() {
    let behind = Behind::new();
    behind.fault("/blobs/", Fault::CutBody(1000), 2);
    let answer = behind.get(AGENT).expect("it comes whole");
    assert_eq!((answer.status, Sha256Digest::of(&answer.body)), (200, behind.digest(AGENT)));
    assert_eq!((behind.proxy.left(), behind.fills("verified")), (0, 1));

    behind.fault("/blobs/", Fault::CutBody(1000), usize::MAX);
    behind.is_not_served(PACKAGE);
    behind.server.wait_until("said so", |server| server.log().contains("blob cannot be read"));
    assert!(behind.fills("unreadable") >= 1 && behind.fills("verified") == 1);
    behind.is_right(AGENT);
    assert_eq!(behind.get(CHECKSUM).expect("it is at hand").status, 200);
    behind.proxy.set(None);
    behind.server.wait_until("served it", |_| behind.get(PACKAGE).is_ok_and(|answer| answer.status == 200));
    behind.is_right(PACKAGE);
}

#[test]
fn other_bytes_are_never_served_as_whole() {
    let behind = Behind::new();
    behind.fault("/blobs/", Fault::Flip, usize::MAX);
    behind.is_not_served(PACKAGE);
    behind.server.wait_until("said so", |server| server.log().contains("blob refused"));
    assert_eq!((behind.fills("corrupt"), behind.fills("verified")), (1, 0));
    behind.proxy.set(None);
    behind.server.wait_until("served it", |_| behind.get(PACKAGE).is_ok_and(|answer| answer.status == 200));
    behind.is_right(PACKAGE);
}

#[test]
fn a_slow_store_holds_up_nobody_else() {
    /// Of 100 ms each.
    const PARTS: usize = 30;
    let behind = Behind::new();
    behind.is_right(AGENT);
    behind.fault("/blobs/", Fault::Slow(PARTS), 1);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let mut wire = Dial::open(behind.server.address).connect().expect("it listens");
            wire.ask(PACKAGE, "").expect("it reads");
            let head = read_head(&mut wire).expect("it comes before the body");
            (head.status, start.elapsed())
        });
        // In memory, at hand, and from the same store.
        for path in [AGENT, CHECKSUM, "/install/", "/install/rpm/amd64/onboarding-agent.rpm"] {
            let asked = Instant::now();
            assert_eq!(behind.get(path).expect("it comes whole").status, 200, "{path}");
            assert!(asked.elapsed() < FROM_MEMORY, "{path} took {:?}", asked.elapsed());
        }
        let (status, head) = slow.join().expect("it is answered");
        assert!(status == 200 && head < FROM_MEMORY, "{status} after {head:?}");
    });
    // The reader that left was not the only one.
    let answer = behind.get(PACKAGE).expect("it comes whole");
    assert_eq!(Sha256Digest::of(&answer.body), behind.digest(PACKAGE));
    assert!(start.elapsed() > Duration::from_millis(100) * 20, "it was not slow: {:?}", start.elapsed());
}
