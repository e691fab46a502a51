//! Garbage collection while others publish.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use release_store::{GcMode, testing::Tree};

use crate::{
    conformance::{collect, current, verified_blobs},
    place::{self, Place},
};

/// Ends a thread when it is dropped, so that a test that fails does not wait for it.
pub(crate) struct End<'a>(pub(crate) &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Few trees, so that each publish reuses what a collection is about to delete.
pub(crate) fn takes_nothing_from_a_publish(place: &Place) {
    const ROUNDS: usize = 30;
    let site = place.fresh();
    let trees = [1, 2, 3, 4, 5].map(|version| Tree::of_version(&format!("1:{version}-1")));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            place::run(async {
                let (mut collections, mut deleted) = (0, 0);
                while !ended.load(Ordering::Relaxed) {
                    let report = site.open().gc(&collect(1, Duration::ZERO, GcMode::Delete)).await;
                    deleted += report.expect("it answers").blobs.len();
                    collections += 1;
                }
                (collections, deleted)
            })
        });
        // A publish that fails must not leave the collector running.
        let end = End(&ended);
        place::run(async {
            for round in 0..ROUNDS {
                let tree = &trees[round % trees.len()];
                site.publish(tree).await.expect("it can be published");
                // A server that follows now finds it whole.
                assert_eq!(current(&site.open()).await.manifest, tree.manifest, "round {round}");
            }
        });
        drop(end);
        let (collections, deleted) = collector.join().expect("it does not panic");
        assert!(collections > 1 && deleted > 0, "{collections} collections deleted {deleted} blobs: nothing was tried");
    });
    place::run(async {
        assert!(verified_blobs(&site.open()).await >= 12);
    });
}

#[test]
fn takes_nothing_from_a_publish_to_memory() {
    takes_nothing_from_a_publish(&Place::memory());
}

#[test]
fn takes_nothing_from_a_publish_to_a_local_directory() {
    takes_nothing_from_a_publish(&Place::local());
}
