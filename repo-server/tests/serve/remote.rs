//! A store that is reached over the network: packages come through a cache on the disk, or clients are sent to the store.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use artifact::Sha256Digest;
use release_store::{Access, PublishOptions, Store, StoreOptions, testing::Tree as Release};
use testkit::{
    process::Server as ObjectStore,
    raw::{ask, get},
    server::{Server, run},
    stores::{BUCKET, S3_SETTINGS},
};

const PACKAGE: &str = "/install/deb/amd64/onboarding-agent.deb";
const CHECKSUM: &str = "/install/deb/amd64/onboarding-agent.deb.sha256";

/// A bucket with one release.
struct Bucket {
    object_store: ObjectStore,
    store: Store,
    release: Release,
}

impl Bucket {
    fn new() -> Self {
        let object_store = ObjectStore::ministack();
        let options = StoreOptions {
            endpoint: Some(object_store.url().parse().expect("an endpoint")),
            settings: BTreeMap::from(S3_SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()))),
            ..StoreOptions::default()
        };
        let store =
            Store::open(&url().parse().expect("a store URL"), &options, Access::Write).expect("its settings fit");
        let bucket = Self { object_store, store, release: Release::of_version("1:1-1") };
        bucket.publish(&bucket.release);
        bucket
    }

    fn publish(&self, release: &Release) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
        let published = runtime.block_on(self.store.publish(release.dir(), &PublishOptions::default(), Arc::new(())));
        published.expect("it can be published");
    }

    fn serve(&self, flags: &[&str]) -> Server {
        let mut command = Server::command(flags);
        command.envs(S3_SETTINGS.map(|(key, value)| (key.to_ascii_uppercase(), value)));
        command.args(["--store", &url(), "--endpoint", &self.object_store.url()]);
        let server = Server::spawn(command);
        server.wait_until("ready", |server| get(server.ops, "/readyz").status == 200);
        server
    }

    fn digest(&self) -> Sha256Digest {
        let artifact = self.release.manifest.artifacts.iter().find(|artifact| artifact.path.to_string() == PACKAGE);
        artifact.expect("every tree has it").sha256
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.release.path(&PACKAGE[1..])).expect("every tree has it")
    }
}

fn url() -> String {
    format!("s3://{BUCKET}/mesh")
}

fn disk(server: &Server, result: &str) -> u64 {
    server.metric(&format!("slipway_disk_cache_uses_total{{result=\"{result}\"}}"))
}

fn cached(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).expect("it was made").map(|entry| entry.expect("our own folder").path()).collect()
}

#[test]
fn what_was_fetched_once_outlives_the_server_and_the_store() {
    let bucket = Bucket::new();
    let dir = tempfile::tempdir().expect("a folder");
    let cache = dir.path().join("cache");
    let flags = ["--cache-dir", cache.to_str().expect("text")];
    let server = bucket.serve(&flags);
    let bytes = bucket.bytes();
    assert_eq!(get(server.address, PACKAGE).body, bytes);
    assert_eq!(disk(&server, "miss"), 1);
    let file = cache.join(bucket.digest().to_string());
    server.wait_until("kept it", |_| file.exists());
    assert_eq!(fs::read(&file).expect("it is there"), bytes);
    drop(server);

    let server = bucket.serve(&flags);
    let Bucket { object_store, .. } = bucket;
    drop(object_store);
    assert_eq!(get(server.address, PACKAGE).body, bytes);
    assert_eq!((disk(&server, "hit"), disk(&server, "miss")), (1, 0));
    // Whole or not at all: nothing is left of the writing.
    assert_eq!(cached(&cache), [file]);
}

#[test]
fn a_cached_blob_with_other_bytes_is_fetched_again() {
    let bucket = Bucket::new();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join(bucket.digest().to_string());
    let bytes = bucket.bytes();
    let mut other = bytes.clone();
    other[1000] ^= 1;
    fs::write(&file, other).expect("our own folder");
    let server = bucket.serve(&["--cache-dir", dir.path().to_str().expect("text")]);
    assert_eq!(get(server.address, PACKAGE).body, bytes);
    assert_eq!(disk(&server, "corrupt"), 1);
    assert!(server.log().contains("cached blob refused"), "{}", server.log());
    server.wait_until("mended it", |_| fs::read(&file).is_ok_and(|found| found == bytes));
}

#[test]
fn a_cache_that_cannot_be_written_is_said_and_packages_are_served_all_the_same() {
    let bucket = Bucket::new();
    let dir = tempfile::tempdir().expect("a folder");
    let cache = dir.path().join("cache");
    let server = bucket.serve(&["--cache-dir", cache.to_str().expect("text")]);
    // Root may write to every folder, but not to one that is gone.
    fs::remove_dir(&cache).expect("it is empty");
    assert_eq!(get(server.address, PACKAGE).body, bucket.bytes());
    server.wait_until("counted", |server| disk(server, "write_failed") == 1);
    assert!(server.log().contains("a blob is not kept on the disk"), "{}", server.log());
}

#[test]
fn clients_are_sent_to_the_store_for_packages_and_for_nothing_else() {
    let bucket = Bucket::new();
    let public = format!("http://localhost:{}", bucket.object_store.port());
    let server = bucket.serve(&["--redirect", "--redirect-valid", "600", "--public-endpoint", &public]);
    let answer = get(server.address, PACKAGE);
    let location = answer.header("location").expect("a redirect").to_owned();
    assert_eq!((answer.status, answer.header("cache-control")), (307, Some("no-store")));
    let blob = format!("{public}/{BUCKET}/mesh/blobs/sha256/");
    assert!(location.starts_with(&blob) && location.contains("X-Amz-Expires=600"), "{location}");
    // The same for all who ask in the next minutes.
    assert_eq!(get(server.address, PACKAGE).header("location"), Some(location.as_str()));
    for range in ["Range: bytes=5-9\r\n", "Range: bytes=0-0,5-9\r\n"] {
        assert_eq!(ask(server.address, "GET", PACKAGE, range).status, 307);
    }
    let head = ask(server.address, "HEAD", PACKAGE, "");
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*bucket.bytes().len().to_string())));
    let etag = head.header("etag").expect("always");
    assert_eq!(ask(server.address, "GET", PACKAGE, &format!("If-None-Match: {etag}\r\n")).status, 304);
    // Conditions are answered here: the store's tags and dates are others.
    for condition in
        ["If-None-Match: \"other\"", &format!("If-Match: {etag}"), "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"]
    {
        assert_eq!(ask(server.address, "GET", PACKAGE, &format!("{condition}\r\n")).status, 200, "{condition}");
    }
    let rest = ask(server.address, "GET", PACKAGE, &format!("Range: bytes=5-9\r\nIf-Range: {etag}\r\n"));
    assert_eq!((rest.status, &rest.body[..]), (206, &bucket.bytes()[5..10]));
    let resident = server.metric("slipway_resident_bytes");
    let sum = get(server.address, CHECKSUM);
    assert_eq!((sum.status, sum.text()), (200, bucket.digest().checksum_line("onboarding-agent.deb")));

    // The documented commands follow it: curl by -L, and it resumes.
    let dir = tempfile::tempdir().expect("a folder");
    for path in [PACKAGE, CHECKSUM] {
        let (ok, text) = run(dir.path(), "curl", &["-fsSLO", &server.url(path)]);
        assert!(ok, "{text}");
    }
    let file = dir.path().join("onboarding-agent.deb");
    fs::write(&file, &bucket.bytes()[..1000]).expect("our own folder");
    let (ok, text) = run(dir.path(), "curl", &["-fsSL", "-C", "-", "-O", &server.url(PACKAGE)]);
    assert!(ok, "{text}");
    let (ok, text) = run(dir.path(), "sha256sum", &["--check", "onboarding-agent.deb.sha256"]);
    assert!(ok && text.contains("onboarding-agent.deb: OK"), "{text}");
    assert_eq!(server.metric("slipway_resident_bytes"), resident, "nothing more came through the server");
}

#[test]
fn pairs_agree_behind_a_redirect_when_the_release_switches() {
    let bucket = Bucket::new();
    let server = bucket.serve(&["--redirect", "--trusted-proxy", "127.0.0.1"]);
    let ask = |client: u8, path| ask(server.address, "GET", path, &format!("X-Forwarded-For: 192.0.2.{client}\r\n"));
    assert_eq!(ask(1, PACKAGE).status, 307);
    bucket.publish(&Release::of_version("1:2-1"));
    let line = bucket.digest().checksum_line("onboarding-agent.deb");
    server.wait_until("switched", |_| ask(2, CHECKSUM).text() != line);
    assert_eq!(ask(1, CHECKSUM).text(), line);
}
