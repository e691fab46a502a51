//! A release store that is followed: releases come, roll back, get lost and damaged.

use std::{fs, num::NonZeroUsize, path::PathBuf, process::Command, sync::Arc, time::Duration};

use artifact::Sha256Digest;
use release_store::{
    Access, GcMode, GcOptions, GenerationNumber, PublishOptions, Store, StoreOptions, StoreUrl, Writers,
    testing::Tree as Release,
};

use super::{
    raw::{Answer, ask, get},
    server::Server,
};

pub(crate) const PACKAGE: &str = "/install/deb/amd64/onboarding-agent.deb";
pub(crate) const CHECKSUM: &str = "/install/deb/amd64/onboarding-agent.deb.sha256";

/// A folder for a local store.
pub(crate) struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().expect("a folder") };
        fs::create_dir(site.path()).expect("our own folder");
        site
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        let mut command = Server::command(flags);
        command.args(["--store", &format!("file://{}", self.path().display())]);
        Server::spawn(command)
    }

    fn open(&self) -> Store {
        let url = StoreUrl::local(self.path()).expect("absolute");
        Store::open(&url, &StoreOptions::default(), Access::Write).expect("writable")
    }

    pub(crate) fn publish(&self, release: &Release) {
        let store = self.open();
        wait(store.publish(release.dir(), &PublishOptions::default(), Arc::new(()))).expect("it can be published");
    }

    fn rollback(&self, to: u64) {
        let to = GenerationNumber::new(to).expect("not 0");
        wait(self.open().rollback(to, Writers::Many)).expect("it is there");
    }

    /// The file of the package behind [`PACKAGE`].
    fn blob(&self, release: &Release) -> PathBuf {
        let artifact = release.manifest.artifacts.iter().find(|artifact| artifact.path.to_string() == PACKAGE);
        let name = artifact.expect("every tree has it").sha256.to_string();
        self.path().join("blobs/sha256").join(&name[..2]).join(name)
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads").block_on(work)
}

fn release(server: &Server) -> Option<String> {
    get(server.address, "/install/").header("slipway-release").map(str::to_owned)
}

pub(crate) fn serves(server: &Server, number: &str) {
    server.wait_until("served it", |server| release(server).as_deref() == Some(number));
}

/// As a client that has no download behind it: each has an address of its own.
fn fresh(server: &Server, client: u8, path: &str) -> Answer {
    ask(server.address, "GET", path, &format!("X-Forwarded-For: 192.0.2.{client}\r\n"))
}

#[test]
fn a_server_waits_for_its_first_release_and_follows_all_later_ones() {
    let site = Site::new();
    let server = site.serve(&["--trusted-proxy", "127.0.0.1"]);
    assert_eq!(get(server.ops, "/readyz").status, 503);
    assert_eq!(get(server.ops, "/healthz").status, 200);
    assert_eq!((get(server.address, CHECKSUM).status, get(server.address, "/").status), (503, 503));

    let (one, two) = (Release::of_version("1:1-1"), Release::of_version("1:2-1"));
    site.publish(&one);
    serves(&server, "1");
    assert_eq!(get(server.ops, "/readyz").status, 200);
    let first = fresh(&server, 1, PACKAGE);
    site.publish(&two);
    serves(&server, "2");
    let second = fresh(&server, 2, PACKAGE);
    assert_ne!(first.body, second.body);
    assert_eq!(fresh(&server, 3, "/releases/1/install/deb/amd64/onboarding-agent.deb").body, first.body);

    // A rollback is a new release, and its dates are newer than those of what it replaces.
    site.rollback(1);
    serves(&server, "3");
    let date = second.header("last-modified").expect("always");
    let again = ask(server.address, "GET", PACKAGE, &format!("If-Modified-Since: {date}\r\n"));
    assert_eq!((again.status, again.body), (200, first.body));
    assert!(server.log().contains("serving"));
}

#[test]
fn a_server_that_starts_late_knows_the_earlier_releases() {
    let site = Site::new();
    let trees = ["1:1-1", "1:2-1", "1:3-1"].map(Release::of_version);
    for tree in &trees {
        site.publish(tree);
    }
    let server = site.serve(&[]);
    serves(&server, "3");
    let ids: Vec<String> = ["1", "2", "3"].into_iter().map(|id| format!("/releases/{id}{CHECKSUM}")).collect();
    let sums: Vec<String> = ids.iter().map(|path| get(server.address, path).text()).collect();
    assert_eq!(sums.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{sums:?}");
    let listed = get(server.address, "/releases/").text();
    assert!(["3/", "2/", "1/"].iter().all(|link| listed.contains(&format!("href=\"{link}\""))), "{listed}");
}

#[test]
fn deleted_releases_are_forgotten_and_a_store_that_goes_back_is_said() {
    let site = Site::new();
    for version in ["1:1-1", "1:2-1", "1:3-1"] {
        site.publish(&Release::of_version(version));
    }
    let server = site.serve(&[]);
    serves(&server, "3");
    assert_eq!(get(server.address, &format!("/releases/1{CHECKSUM}")).status, 200);
    let options = GcOptions { keep: NonZeroUsize::MIN, grace: Duration::ZERO, mode: GcMode::Delete };
    wait(site.open().gc(&options)).expect("it is ours");
    server.wait_until("forgotten", |server| get(server.address, &format!("/releases/1{CHECKSUM}")).status == 404);
    assert_eq!(get(server.address, &format!("/releases/2{CHECKSUM}")).status, 200);
    assert_eq!(server.metric("slipway_release_switches_total"), 1);

    // As when a backup is put back.
    fs::remove_file(site.path().join("generations/00000000000000000003.json")).expect("it is there");
    server.wait_until("said", |server| server.log().contains("ends at release 2, before release 3 that is served"));
    assert_eq!(release(&server).as_deref(), Some("3"));
    assert!(server.metric("slipway_release_load_failures_total") > 0);
    assert_eq!(server.metric("slipway_release{release=\"3\",version=\"1:3-1\"}"), 1);
}

#[test]
fn who_is_in_the_middle_of_a_package_can_finish_it_when_the_next_release_has_it_no_more() {
    let site = Site::new();
    let (one, mut two) = (Release::of_version("1:1-1"), Release::of_version("1:2-1"));
    site.publish(&one);
    let server = site.serve(&["--trusted-proxy", "127.0.0.1"]);
    serves(&server, "1");
    let package = fresh(&server, 1, PACKAGE);
    let gone: Vec<_> = two.manifest.artifacts.extract_if(.., |artifact| artifact.path.to_string() == PACKAGE).collect();
    for path in [PACKAGE, CHECKSUM] {
        fs::remove_file(two.path(&path[1..])).expect("it is there");
    }
    assert_eq!(gone.len(), 1);
    two.write_manifest();
    site.publish(&two);
    serves(&server, "2");
    assert!(fresh(&server, 1, CHECKSUM).text().starts_with(&Sha256Digest::of(&package.body).to_string()));
    assert_eq!(fresh(&server, 2, CHECKSUM).status, 404);
    assert_eq!((fresh(&server, 1, PACKAGE).status, fresh(&server, 2, PACKAGE).status), (404, 404));
}

#[test]
fn a_release_that_is_not_whole_is_not_served() {
    let site = Site::new();
    let (one, two) = (Release::of_version("1:1-1"), Release::of_version("1:2-1"));
    site.publish(&one);
    let server = site.serve(&[]);
    serves(&server, "1");
    // The blob goes before the server looks: the generation comes last.
    let hidden = site.dir.path().join("hidden");
    site.publish(&two);
    let generation = site.path().join("generations/00000000000000000002.json");
    fs::rename(&generation, &hidden).expect("it is there");
    serves(&server, "1");
    let blob = site.blob(&two);
    let bytes = fs::read(&blob).expect("it is there");
    fs::remove_file(&blob).expect("it is there");
    fs::rename(&hidden, &generation).expect("it was there");
    server.wait_until("complained", |server| server.log().contains("is not whole"));
    assert_eq!(release(&server).as_deref(), Some("1"));
    // A server that starts now serves the old one rather than nothing.
    let late = site.serve(&[]);
    serves(&late, "1");
    // Once it is whole, it is served.
    fs::write(&blob, bytes).expect("our own store");
    serves(&server, "2");
    serves(&late, "2");
}

#[test]
fn a_damaged_blob_is_never_served_as_good_and_is_served_when_it_is_mended() {
    let site = Site::new();
    let tree = Release::of_version("1:1-1");
    site.publish(&tree);
    let blob = site.blob(&tree);
    let good = fs::read(&blob).expect("it is there");
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&blob, &bad).expect("our own store");
    let server = site.serve(&[]);
    serves(&server, "1");
    let dir = tempfile::tempdir().expect("a folder");
    let (ok, text) = super::server::run(dir.path(), "curl", &["-fsSLO", &server.url(PACKAGE)]);
    assert!(!ok, "{text}");
    server.wait_until("said so", |server| server.log().contains("blob refused"));

    fs::write(&blob, &good).expect("our own store");
    server.wait_until("served it", |server| get(server.address, PACKAGE).status == 200);
    assert_eq!(get(server.address, PACKAGE).body, good);
}

#[test]
fn check_says_what_is_wrong_before_a_server_starts() {
    let site = Site::new();
    let check = |url: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_repo-server")).args(["check", "--store", url]).output();
        let output = output.expect("the program was built");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let url = format!("file://{}", site.path().display());
    let (code, text) = check(&format!("{url}-missing"));
    assert!(code == Some(1) && text.contains("store-missing") && text.contains("hint: publish to it first"), "{text}");
    let (code, text) = check(&url);
    assert!(code == Some(1) && text.contains("has no release") && text.contains("hint: publish one"), "{text}");
    site.publish(&Release::of_version("1:1-1"));
    assert_eq!(check(&url), (Some(0), "ready to serve 8 packages of version 1:1-1\n".to_owned()));
    let (code, text) = check("ftp://host/dir");
    assert!(code == Some(1) && text.contains("ftp"), "{code:?} {text}");
}
