//! What every store must do.

use std::{num::NonZeroUsize, ops::Range, time::Duration};

use futures_util::TryStreamExt;
use release_store::{
    Action, Blob, BlobBody, GcMode, GcOptions, GenerationNumber, Outcome, PublishError, ReadError, Servable, Store,
    Writers, testing::Tree, tree::FaultKind,
};

use crate::place::{self, Place, Site};

type Check = (&'static str, fn(&Site));

const CHECKS: [Check; 9] = [
    ("an empty store", |site| place::run(an_empty_store_has_nothing(site))),
    ("reading back", |site| place::run(gives_back_what_was_published(site))),
    ("the same tree again", |site| place::run(the_same_tree_again_changes_nothing(site))),
    ("following", |site| place::run(a_follower_sees_what_is_new(site))),
    ("conflicts", |site| place::run(refuses_other_bytes_under_a_published_version(site))),
    ("a bad tree", |site| place::run(a_tree_that_lies_changes_nothing(site))),
    ("rollback", |site| place::run(a_rollback_is_a_new_generation(site))),
    ("garbage collection", |site| place::run(garbage_collection_keeps_what_is_needed(site))),
    ("racing publishers", sixteen_publishers_lose_nothing),
];

/// Runs all checks, each in a store of its own.
pub(crate) fn run(place: &Place) {
    for (name, check) in CHECKS {
        eprintln!("check: {name}");
        check(&place.fresh());
    }
}

fn number(number: u64) -> GenerationNumber {
    GenerationNumber::new(number).expect("not 0")
}

/// The newest generation, as a server would take it.
pub(crate) async fn current(store: &Store) -> Servable {
    let latest = store.latest(None).await.expect("it answers").expect("there is one");
    store.validate(store.generation(latest).await.expect("it is usable")).await.expect("it is whole")
}

pub(crate) async fn read(store: &Store, blob: Blob, range: Option<Range<u64>>) -> Vec<u8> {
    let wanted = range.clone().unwrap_or(0..blob.size);
    match store.open_blob(blob, range).await.expect("it is there") {
        BlobBody::File(file) => {
            let mut bytes = vec![0; usize::try_from(wanted.end - wanted.start).expect("small")];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, wanted.start).expect("it is whole");
            bytes
        }
        BlobBody::Stream(stream) => stream.try_collect::<Vec<_>>().await.expect("it is whole").concat(),
    }
}

pub(crate) async fn verified_blobs(store: &Store) -> usize {
    let report = store.verify(place::jobs(), &()).await.expect("it answers");
    assert_eq!(report.faults, []);
    report.blobs.blobs
}

async fn an_empty_store_has_nothing(site: &Site) {
    let store = site.open();
    assert_eq!(store.latest(None).await.expect("it answers"), None);
    assert_eq!(store.generations().await.expect("it answers"), []);
    assert_eq!(verified_blobs(&store).await, 0);
    assert!(matches!(store.generation(number(1)).await, Err(ReadError::Missing { .. })));
    let error = store.rollback(number(1), Writers::Many).await.expect_err("there is none");
    assert!(error.to_string().ends_with("has no release"), "{error}");
}

async fn gives_back_what_was_published(site: &Site) {
    let tree = Tree::of_version("1:1.0-1");
    let published = site.publish(&tree).await.expect("it can be published");
    assert_eq!((published.generation, published.outcome), (number(1), Outcome::Committed));
    assert_eq!((published.uploaded.blobs, published.reused.blobs), (6, 0));

    let store = site.open();
    let generation = current(&store).await;
    assert_eq!((generation.parent, generation.action), (None, Action::Publish));
    assert_eq!(generation.manifest, tree.manifest);
    for artifact in &generation.manifest.artifacts {
        let (blob, bytes) = (Blob { digest: artifact.sha256, size: artifact.size }, tree.bytes(artifact));
        assert!(read(&store, blob, None).await == bytes, "{}", artifact.path);
        assert!(read(&store, blob, Some(1000..200_001)).await == bytes[1000..200_001], "{}", artifact.path);
        let size = artifact.size;
        assert!(read(&store, blob, Some(size - 1..size)).await == bytes[bytes.len() - 1..], "{}", artifact.path);
        assert!(read(&store, blob, Some(size..size)).await.is_empty());
        // A generation that gives another size is not served something else.
        let other = store.open_blob(Blob { size: size - 1, ..blob }, None).await;
        assert!(other.is_err(), "{}", artifact.path);
    }
    assert_eq!(verified_blobs(&store).await, 6);
}

async fn the_same_tree_again_changes_nothing(site: &Site) {
    let tree = Tree::of_version("1:1.0-1");
    let first = site.publish(&tree).await.expect("it can be published");
    for options in [place::options(), place::rehashing(), place::forced()] {
        let again = site.publish_with(&tree, &options).await.expect("it can be published");
        assert_eq!((again.generation, again.outcome), (first.generation, Outcome::Unchanged));
        assert_eq!((again.uploaded.blobs, again.reused), (0, first.uploaded));
    }
    assert_eq!(site.open().generations().await.expect("it answers"), [number(1)]);
}

async fn a_follower_sees_what_is_new(site: &Site) {
    let follower = site.open();
    for turn in 1..=3 {
        let before = GenerationNumber::new(turn - 1);
        assert_eq!(follower.latest(before).await.expect("it answers"), None);
        site.publish(&Tree::of_version(&format!("1:{turn}-1"))).await.expect("it can be published");
        assert_eq!(follower.latest(before).await.expect("it answers"), Some(number(turn)));
        assert_eq!(follower.latest(None).await.expect("it answers"), Some(number(turn)));
    }
    assert_eq!(follower.generations().await.expect("it answers"), [3, 2, 1].map(number));
    assert_eq!(current(&follower).await.parent, Some(number(2)));
}

async fn refuses_other_bytes_under_a_published_version(site: &Site) {
    let (tree, other) = (Tree::of_version("1:1.0-1"), Tree::with_content("1:1.0-1", "other"));
    site.publish(&tree).await.expect("it can be published");
    // Not only the newest generation counts.
    site.publish(&Tree::of_version("1:2.0-1")).await.expect("it can be published");
    let error = site.publish(&other).await.expect_err("it has other bytes");
    let PublishError::Conflict { conflicts } = &error else { panic!("{error}") };
    assert_eq!((conflicts.len(), conflicts[0].generation), (8, number(1)));
    assert_eq!(site.open().latest(None).await.expect("it answers"), Some(number(2)));

    let published = site.publish_with(&other, &place::forced()).await.expect("it is forced");
    assert_eq!(published.generation, number(3));
    assert_eq!(current(&site.open()).await.manifest, other.manifest);
}

async fn a_tree_that_lies_changes_nothing(site: &Site) {
    let good = Tree::of_version("1:1.0-1");
    site.publish(&good).await.expect("it can be published");
    let bad = Tree::of_version("1:2.0-1");
    // Of the right size, so only its digest gives it away.
    let path = bad.manifest.artifacts[5].path.relative();
    let mut bytes = bad.bytes(&bad.manifest.artifacts[5]);
    bytes[77] ^= 1;
    bad.put(&path, &bytes);
    for options in [place::options(), place::forced()] {
        let error = site.publish_with(&bad, &options).await.expect_err("it lies");
        let PublishError::Tree { faults, .. } = &error else { panic!("{error}") };
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(matches!(faults[0].kind, FaultKind::WrongDigest { .. }) && faults[0].path.ends_with(&path));
    }
    // What else is wrong is found before anything is uploaded.
    bad.put("install/deb/amd64/extra", b"");
    let error = site.publish(&bad).await.expect_err("it lies");
    assert!(error.to_string().contains("install/deb/amd64/extra: unexpected file"), "{error}");
    assert_eq!(current(&site.open()).await.manifest, good.manifest);
    assert_eq!(verified_blobs(&site.open()).await, 6);
}

async fn a_rollback_is_a_new_generation(site: &Site) {
    let (old, new) = (Tree::of_version("1:1.0-1"), Tree::of_version("1:2.0-1"));
    site.publish(&old).await.expect("it can be published");
    site.publish(&new).await.expect("it can be published");
    let store = site.open();
    let before = store.generation(number(2)).await.expect("it is there").created;
    let back = store.rollback(number(1), Writers::Many).await.expect("it is there");
    let after = store.generation(back.generation).await.expect("it is there").created;
    assert!(after > before, "dates of validators must grow, also within one second");
    assert_eq!((back.generation, back.outcome), (number(3), Outcome::Committed));
    let generation = current(&store).await;
    assert_eq!((generation.parent, generation.action), (Some(number(2)), Action::Rollback { of: number(1) }));
    assert_eq!(generation.manifest, old.manifest);

    let again = store.rollback(number(1), Writers::Many).await.expect("it is there");
    assert_eq!((again.generation, again.outcome), (number(3), Outcome::Unchanged));
    let missing = store.rollback(number(9), Writers::Many).await.expect_err("there is none");
    assert!(matches!(missing, PublishError::Read(ReadError::Missing { .. })), "{missing}");
    // What was current before can be published again, and is no conflict.
    assert_eq!(site.publish(&new).await.expect("it can be published").generation, number(4));
}

pub(crate) fn collect(keep: usize, grace: Duration, mode: GcMode) -> GcOptions {
    GcOptions { keep: NonZeroUsize::new(keep).expect("not 0"), grace, mode }
}

async fn garbage_collection_keeps_what_is_needed(site: &Site) {
    let trees = [1, 2, 3, 4].map(|version| Tree::of_version(&format!("1:{version}-1")));
    for tree in &trees {
        site.publish(tree).await.expect("it can be published");
    }
    let store = site.open();
    // All is younger than an hour.
    let report = store.gc(&collect(1, Duration::from_hours(1), GcMode::Delete)).await.expect("it answers");
    assert_eq!((report.generations.len(), report.blobs.len(), report.kept_blobs), (0, 0, 24));

    let told = store.gc(&collect(1, Duration::ZERO, GcMode::DryRun)).await.expect("it answers");
    assert_eq!((told.generations.as_slice(), told.blobs.len()), ([1, 2].map(number).as_slice(), 12));
    assert_eq!(verified_blobs(&store).await, 24);
    let done = store.gc(&collect(1, Duration::ZERO, GcMode::Delete)).await.expect("it answers");
    assert_eq!(done, told);

    // Two stay even if one is asked for.
    assert_eq!(store.generations().await.expect("it answers"), [4, 3].map(number));
    assert_eq!(verified_blobs(&store).await, 12);
    assert_eq!(current(&store).await.manifest, trees[3].manifest);
    let deleted = &trees[0].manifest.artifacts[0];
    let blob = Blob { digest: deleted.sha256, size: deleted.size };
    assert!(store.open_blob(blob, None).await.is_err());
    // What was deleted comes back whole.
    assert_eq!(site.publish(&trees[0]).await.expect("it can be published").uploaded.blobs, 6);
    assert_eq!(verified_blobs(&site.open()).await, 18);
}

/// Each on a thread with a runtime and a connection of its own, as if on machines of their own.
fn sixteen_publishers_lose_nothing(site: &Site) {
    const PUBLISHERS: usize = 16;
    let trees: Vec<_> = (0..PUBLISHERS).map(|number| Tree::of_version(&format!("1:{number}-1"))).collect();
    let published: Vec<_> = std::thread::scope(|scope| {
        let publishers: Vec<_> = trees.iter().map(|tree| scope.spawn(|| place::run(site.publish(tree)))).collect();
        publishers.into_iter().map(|publisher| publisher.join().expect("it does not panic")).collect()
    });
    place::run(async {
        let store = site.open();
        let mut committed = Vec::new();
        for (tree, published) in trees.iter().zip(published) {
            let published = published.expect("there were fewer racers than attempts");
            assert_eq!(published.outcome, Outcome::Committed);
            let generation = store.generation(published.generation).await.expect("it was committed");
            assert_eq!(generation.manifest, tree.manifest);
            assert_eq!(generation.parent, GenerationNumber::new(generation.number.get() - 1));
            committed.push(published.generation);
        }
        committed.sort_unstable_by(|one, other| other.cmp(one));
        let all: Vec<_> = (1..=PUBLISHERS as u64).rev().map(number).collect();
        assert_eq!(committed, all);
        assert_eq!(store.generations().await.expect("it answers"), all);
        assert_eq!(verified_blobs(&store).await, 6 * PUBLISHERS);
        // No lease and no probe is left.
        let told = store.gc(&collect(1, Duration::ZERO, GcMode::DryRun)).await.expect("it answers");
        assert_eq!(told.leftovers, 0);
    });
}
