//! Files that change under a serving process. `tests/serve` has what is damaged before it is asked for, in the open; this
//! is about downloads in progress, and about TLS, which would encrypt from a mapping that ends with the file.

use std::{fs, io::Write, path::Path, sync::Arc, time::Duration};

use artifact::Sha256Digest;
use release_store::{Access, PublishOptions, Store, StoreOptions, StoreUrl, testing::Tree as Release};
use testkit::{
    client::Dial,
    pairs::Pairs,
    server::Server,
    tree::{CHECKSUM, Tree},
};

use crate::Site;

/// Read and hashed in some tens of milliseconds.
const SIZE: usize = 12_000_000;

/// After the request, the file changes: before, while and after it is read.
const DELAYS: [u64; 4] = [0, 3, 10, 40];

/// One for each delay: they hold different bytes.
const PACKAGES: [(&str, &str); 4] = [("deb", "amd64"), ("deb", "arm64"), ("rpm", "amd64"), ("rpm", "arm64")];

const DAMAGES: [Damage; 5] = [Damage::Cut, Damage::Emptied, Damage::Changed, Damage::Replaced, Damage::Deleted];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Cut,
    Emptied,
    Changed,
    /// By another file of the same name and length.
    Replaced,
    Deleted,
}

impl Damage {
    fn of(self, path: &Path) {
        let open = || fs::File::options().write(true).open(path).expect("ours");
        let length = fs::metadata(path).expect("ours").len();
        match self {
            Self::Cut => open().set_len(length / 2).expect("ours"),
            Self::Emptied => open().set_len(0).expect("ours"),
            Self::Changed => open().write_all(&[0xa5; 4096]).expect("ours"),
            Self::Replaced => {
                let other = path.with_extension("other");
                fs::write(&other, vec![0xa5; usize::try_from(length).expect("small")]).expect("ours");
                fs::rename(&other, path).expect("ours");
            }
            Self::Deleted => fs::remove_file(path).expect("ours"),
        }
    }
}

/// How one download ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Whole,
    Refused,
    Broken,
}

/// Whatever happens, all of a body is the right one.
fn download(dial: &Dial, path: &str, expected: Sha256Digest) -> Outcome {
    match dial.get(path) {
        Ok(answer) if answer.status == 200 => {
            assert_eq!(Sha256Digest::of(&answer.body), expected, "{path}: other bytes than the release's");
            Outcome::Whole
        }
        Ok(answer) => {
            assert_eq!(answer.status, 503, "{path}");
            Outcome::Refused
        }
        Err(_) => Outcome::Broken,
    }
}

/// Both files of a package that stands at two paths.
fn damage(tree: &Tree, (format, arch): (&str, &str), damage: Damage) {
    for folder in ["/install", "/install/istio-sidecar/default"] {
        damage.of(&tree.file(&format!("{folder}/{format}/{arch}/istio-sidecar.{format}")));
    }
}

#[test]
fn files_that_change_during_a_download_break_it_or_leave_it_whole() {
    let mut outcomes = Vec::new();
    for kind in DAMAGES {
        for secure in [false, true] {
            let tree = Tree::new(0, SIZE);
            let mut site = if secure { Site::tls(&tree, &[]) } else { Site::open(&tree, &[]) };
            for (delay, package) in DELAYS.into_iter().zip(PACKAGES) {
                let path = format!("/install/{0}/{1}/istio-sidecar.{0}", package.0, package.1);
                let expected = Sha256Digest::of(&fs::read(tree.file(&path)).expect("it is in the tree"));
                let outcome = std::thread::scope(|scope| {
                    let reader = scope.spawn(|| download(&site.dial, &path, expected));
                    std::thread::sleep(Duration::from_millis(delay));
                    damage(&tree, package, kind);
                    reader.join().expect("it found no wrong byte")
                });
                outcomes.push(outcome);
                // Who comes later gets it from memory, or an error, or nothing.
                let again = download(&site.dial, &path, expected);
                assert!(outcome != Outcome::Whole || again == Outcome::Whole, "{kind:?}: it was in memory");
                assert!(site.server.is_alive(), "{kind:?} after {delay} ms, TLS: {secure}");
                site.serves_others();
            }
        }
    }
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    println!(
        "of {} downloads, {} came whole, {} broke, {} were refused",
        outcomes.len(),
        count(Outcome::Whole),
        count(Outcome::Broken),
        count(Outcome::Refused)
    );
    assert!(count(Outcome::Whole) > 0, "every file was damaged before it was read: nothing was tried");
    assert!(count(Outcome::Broken) > 0, "every file was read whole before it was damaged: nothing was tried");
}

#[test]
fn blobs_of_a_store_that_change_under_tls_are_refused_and_the_process_lives() {
    const PACKAGE: &str = "/install/deb/amd64/onboarding-agent.deb";
    let release = Release::of_version("1:1-1");
    let artifact = release.manifest.artifacts.iter().find(|artifact| artifact.path.to_string() == PACKAGE);
    let artifact = artifact.expect("every tree has it");
    for kind in DAMAGES {
        let dir = tempfile::tempdir().expect("a folder");
        let url = StoreUrl::local(dir.path()).expect("absolute");
        let store = Store::open(&url, &StoreOptions::default(), Access::Write).expect("writable");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
        let options = PublishOptions::default();
        runtime.block_on(store.publish(release.dir(), &options, Arc::new(()))).expect("it can be published");

        let pairs = Pairs::new();
        let mut command = Server::command(&[]);
        command.args(pairs.flags()).args(["--store", &url.to_string()]);
        let mut server = Server::spawn(command);
        let dial = Dial::tls(server.address, &pairs);
        server.wait_until("ready", |_| dial.get("/install/").is_ok_and(|answer| answer.status == 200));

        let name = artifact.sha256.to_string();
        let blob = dir.path().join("blobs/sha256").join(&name[..2]).join(&name);
        kind.of(&blob);
        assert_ne!(download(&dial, PACKAGE, artifact.sha256), Outcome::Whole, "{kind:?}");
        assert!(server.is_alive(), "{kind:?}");
        server.wait_until("named it", |server| server.log().contains(&name));
        assert_eq!(dial.get(CHECKSUM).expect("it answers").status, 200, "{kind:?}: others are served");

        // Put back, it is served; damaged then, it is in memory.
        fs::write(&blob, release.bytes(artifact)).expect("ours");
        server.wait_until("served it", |_| download(&dial, PACKAGE, artifact.sha256) == Outcome::Whole);
        kind.of(&blob);
        assert_eq!(download(&dial, PACKAGE, artifact.sha256), Outcome::Whole, "{kind:?}");
    }
}
