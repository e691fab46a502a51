//! What can happen to the files of a local store.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use release_store::{
    Access, Blob, BlobFault, BlobProblem, GenerationNumber, Outcome, ReadError, Store, StoreFault, StoreOptions,
    StoreUrl, ValidateError, testing::Tree,
};

use crate::{
    conformance::{current, verified_blobs},
    place::{self, Place, Site},
};

fn blob_file(site: &Site, digest: artifact::Sha256Digest) -> PathBuf {
    let name = digest.to_string();
    site.dir().join("blobs/sha256").join(&name[..2]).join(name)
}

fn first_blob(tree: &Tree) -> Blob {
    let artifact = &tree.manifest.artifacts[0];
    Blob { digest: artifact.sha256, size: artifact.size }
}

/// A store with one release.
async fn published(place: &Place) -> (Site, Tree) {
    let (site, tree) = (place.fresh(), Tree::of_version("1:1.0-1"));
    site.publish(&tree).await.expect("it can be published");
    (site, tree)
}

fn cut_short(path: &Path) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_len(5)).expect("it is there");
}

fn change_one_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("it is there");
    bytes[1000] ^= 1;
    fs::write(path, bytes).expect("writable");
}

#[test]
fn damage_is_reported_not_served_and_mended_by_publishing_again() {
    let place = Place::local();
    place::run(async {
        let damages: [fn(&Path); 3] = [cut_short, change_one_bit, |path| fs::remove_file(path).expect("it is there")];
        for (index, damage) in damages.into_iter().enumerate() {
            let (site, tree) = published(&place).await;
            let store = site.open();
            let blob = first_blob(&tree);
            damage(&blob_file(&site, blob.digest));

            let faults = store.verify(place::jobs(), &()).await.expect("it answers").faults;
            let [StoreFault::Blob { digest, kind, paths }] = faults.as_slice() else { panic!("{faults:?}") };
            assert_eq!(
                (*digest, paths[0].path.as_str()),
                (blob.digest, tree.manifest.artifacts[0].path.to_string().as_str())
            );
            let told = match kind {
                BlobFault::WrongSize { found: 5, .. } => 0,
                BlobFault::WrongDigest { .. } => 1,
                BlobFault::Missing => 2,
                _ => panic!("{kind:?}"),
            };
            assert_eq!(told, index);
            // Sizes are looked at before a generation is served; contents are not.
            let latest = store.generation(GenerationNumber::FIRST).await.expect("it is usable");
            match (index, store.validate(latest).await) {
                (1, validated) => assert!(validated.is_ok()),
                (_, Err(ValidateError::Incomplete { problems, .. })) => assert_eq!(problems[0].digest(), blob.digest),
                (_, validated) => panic!("{validated:?}"),
            }
            let options = if index == 1 { place::rehashing() } else { place::options() };
            let again = site.publish_with(&tree, &options).await.expect("it can be published");
            assert_eq!((again.outcome, again.uploaded.blobs), (Outcome::Unchanged, 1));
            assert_eq!(verified_blobs(&store).await, 6);
        }
    });
}

#[test]
fn follows_no_link_to_another_blob() {
    let place = Place::local();
    place::run(async {
        let (site, tree) = published(&place).await;
        let blob = first_blob(&tree);
        let (path, elsewhere) = (blob_file(&site, blob.digest), site.dir().join("elsewhere"));
        fs::rename(&path, &elsewhere).expect("writable");
        symlink(&elsewhere, &path).expect("writable");
        assert!(site.open().open_blob(blob, None).await.is_err());
        let latest = site.open().generation(GenerationNumber::FIRST).await.expect("it is usable");
        assert!(site.open().validate(latest).await.is_err());
        let faults = site.open().verify(place::jobs(), &()).await.expect("it answers").faults;
        assert!(matches!(&faults[..], [StoreFault::Blob { kind: BlobFault::Missing, .. }]), "{faults:?}");
        // Publishing again puts a file where the link was, and nothing where it led.
        fs::write(&elsewhere, "kept").expect("writable");
        assert_eq!(site.publish(&tree).await.expect("it can be published").uploaded.blobs, 1);
        assert_eq!(
            (verified_blobs(&site.open()).await, fs::read(&elsewhere).expect("it is there")),
            (6, b"kept".to_vec())
        );
    });
}

#[test]
fn a_hint_may_say_anything() {
    let place = Place::local();
    place::run(async {
        let (site, _) = published(&place).await;
        site.publish(&Tree::of_version("1:2.0-1")).await.expect("it can be published");
        let newest = GenerationNumber::FIRST.next();
        for hint in ["1\n", "2\n", "77\n", "", "0\n", "no number", "99999999999999999999999999", "\u{fffd}"] {
            fs::write(site.dir().join("heads/current"), hint).expect("writable");
            let store = site.open();
            assert_eq!(store.latest(None).await.expect("it answers"), Some(newest), "{hint:?}");
            assert_eq!(
                store.latest(Some(GenerationNumber::FIRST)).await.expect("it answers"),
                Some(newest),
                "{hint:?}"
            );
            assert_eq!(store.latest(Some(newest)).await.expect("it answers"), None, "{hint:?}");
        }
        fs::remove_file(site.dir().join("heads/current")).expect("it is there");
        assert_eq!(site.open().latest(None).await.expect("it answers"), Some(newest));
    });
}

#[test]
fn what_is_no_generation_is_named_and_what_is_not_ours_is_left_alone() {
    let place = Place::local();
    place::run(async {
        let (site, _) = published(&place).await;
        let generations = site.dir().join("generations");
        for stranger in ["README", "2.json", "00000000000000000002.json.bak", "00000000000000000000.json"] {
            fs::write(generations.join(stranger), "{}").expect("writable");
        }
        assert_eq!(site.open().latest(None).await.expect("it answers"), Some(GenerationNumber::FIRST));

        let second = generations.join("00000000000000000002.json");
        fs::write(&second, r#"{"schema": 2, "signature": "x"}"#).expect("writable");
        let later = site.open().generation(GenerationNumber::FIRST.next()).await.expect_err("it is later");
        let source = std::error::Error::source(&later).expect("it has a cause").to_string();
        assert_eq!(source, "the generation has schema 2, this program reads schema 1");
        assert_eq!(later.hint().as_deref(), Some("use the version that published it"));
        // A publish does not go behind what it does not understand, and neither does a collection.
        assert!(site.publish(&Tree::of_version("1:3.0-1")).await.is_err());
        assert!(site.publish_with(&Tree::of_version("1:3.0-1"), &place::forced()).await.is_err());
        let gc = crate::conformance::collect(1, Duration::ZERO, release_store::GcMode::Delete);
        assert!(matches!(site.open().gc(&gc).await, Err(ReadError::Generation { .. })));
        let faults = site.open().verify(place::jobs(), &()).await.expect("it answers").faults;
        assert!(matches!(&faults[..], [StoreFault::Generation { .. }]), "{faults:?}");
        fs::remove_file(&second).expect("it is there");
        assert_eq!(verified_blobs(&site.open()).await, 6);
    });
}

#[test]
fn cleans_what_killed_writers_left_and_nothing_else() {
    let place = Place::local();
    place::run(async {
        let (site, tree) = published(&place).await;
        let blob = blob_file(&site, first_blob(&tree).digest);
        let leave = |suffix: &str, hours: u64| {
            let path = PathBuf::from(format!("{}{suffix}", blob.display()));
            let file = fs::File::create(&path).expect("writable");
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).expect("it is ours");
            path
        };
        let (old, young, held) = (leave("#1", 25), leave("#2", 23), leave("#3", 25));
        let _held = fs::File::open(&held).expect("it is there");
        site.publish(&tree).await.expect("it can be published");
        assert!(!old.exists() && young.exists() && held.exists());
    });
}

#[test]
fn says_when_there_is_no_store_and_makes_none_for_reading() {
    let dir = tempfile::tempdir().expect("a folder");
    let url = StoreUrl::local(dir.path().join("absent")).expect("absolute");
    let error = Store::open(&url, &StoreOptions::default(), Access::Read).expect_err("it is not there");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("publish to it first")), "{error}");
    assert!(!dir.path().join("absent").exists());
    fs::write(dir.path().join("file"), "").expect("writable");
    let url = StoreUrl::local(dir.path().join("file")).expect("absolute");
    assert!(Store::open(&url, &StoreOptions::default(), Access::Read).is_err());
}

#[test]
fn a_server_can_wait_for_it_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let place = Place::local();
    let site = place.fresh();
    let (store, tree) = (site.open(), Tree::of_version("1:1.0-1"));
    is_send(&store.latest(None));
    is_send(&store.open_blob(first_blob(&tree), None));
    is_send(&async {
        let generation = store.generation(GenerationNumber::FIRST).await.expect("it is there");
        store.validate(generation).await.expect("it is whole")
    });
    is_send(&site.publish(&tree));
    let _ = (current(&store), BlobProblem::Missing(first_blob(&tree)));
}
