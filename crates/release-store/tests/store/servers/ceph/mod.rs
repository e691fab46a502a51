//! A real cluster, whole and in pieces.

mod cluster;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use release_store::{
    Blob, CommitError, ProbeError, Progress, PublishError, Published, ReadError, Store, testing::Tree,
};
use rustix::process::Signal;

use self::cluster::Ceph;
use super::signed;
use crate::{
    conformance::{self, current, read, verified_blobs},
    garbage::End,
    place::{self, Site},
};

#[test]
fn s3_by_ceph_conforms_and_signs_through_both_gateways() {
    let ceph = Ceph::start();
    conformance::run(&ceph.balanced());
    signed::gives_the_blob_and_only_as_it_was_signed(ceph.balanced_port(), &ceph.balanced(), "X-Amz-Signature=");
}

/// Does something to the cluster when the first package of a publish is stored, and others are on their way.
struct Midway {
    left: AtomicI64,
    act: Box<dyn Fn() + Send + Sync>,
}

impl Progress for Midway {
    fn begin(&self, _: u64) {}

    fn advance(&self, bytes: u64) {
        let bytes = bytes.cast_signed();
        let left = self.left.fetch_sub(bytes, Ordering::Relaxed);
        if left > 0 && left <= bytes {
            (self.act)();
        }
    }
}

async fn publish_and_midway(
    site: &Site,
    tree: &Tree,
    act: impl Fn() + Send + Sync + 'static,
) -> Result<Published, PublishError> {
    // So many are read at once; one more is when one of them is done.
    let size = tree.manifest.artifacts.iter().map(|artifact| artifact.size).max().unwrap_or_default();
    let first = size * place::jobs().get() as u64 + 1;
    let midway = Midway { left: AtomicI64::new(first.cast_signed()), act: Box::new(act) };
    site.open().publish(tree.dir(), &place::options(), Arc::new(midway)).await
}

/// It failed for what the store did, and says at which object, and what to do next.
fn assert_clear(error: &PublishError) {
    let of_store = matches!(
        error,
        PublishError::Store(_)
            | PublishError::Read(ReadError::Store(_))
            | PublishError::Probe(ProbeError::Store(_))
            | PublishError::Commit(CommitError::Unknown { .. })
    );
    assert!(
        of_store && error.to_string().contains("s3://releases/mesh/store-0") && error.hint().is_some(),
        "{error:?}"
    );
}

/// Downloads all packages of a tree, time and again.
struct Downloads {
    ended: AtomicBool,
    rounds: AtomicUsize,
}

impl Downloads {
    async fn run(&self, store: &Store, tree: &Tree) {
        while !self.ended.load(Ordering::Relaxed) {
            for artifact in &tree.manifest.artifacts {
                let blob = Blob { digest: artifact.sha256, size: artifact.size };
                assert!(read(store, blob, None).await == tree.bytes(artifact), "{}", artifact.path);
            }
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// For a download that began after now.
    fn await_rounds(&self, rounds: usize) {
        let (wanted, end) = (self.rounds.load(Ordering::Relaxed) + rounds, Instant::now() + Duration::from_mins(1));
        while self.rounds.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < end, "downloads do not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn an_osd_and_a_gateway_that_die_cost_no_release() {
    let ceph = Arc::new(Ceph::start());
    let (site, surviving) = (ceph.balanced().fresh(), ceph.surviving().fresh());
    let tree = |version: u64| Tree::of_version(&format!("1:{version}-1"));
    let first = tree(1);
    place::run(site.publish(&first)).expect("nothing is in its way");

    let downloads = Downloads { ended: AtomicBool::new(false), rounds: AtomicUsize::new(0) };
    std::thread::scope(|scope| {
        scope.spawn(|| place::run(downloads.run(&surviving.open(), &first)));
        let _end = End(&downloads.ended);
        downloads.await_rounds(1);

        let (second, cluster) = (tree(2), Arc::clone(&ceph));
        let during = place::run(publish_and_midway(&site, &second, move || {
            cluster.kill_gateway();
            cluster.kill_osd();
        }));
        eprintln!("the publish during it: {during:?}");
        // Neither more nor less than what it said.
        let now = place::run(current(&surviving.open()));
        match &during {
            Ok(_) => assert_eq!(now.manifest, second.manifest),
            Err(error) => {
                assert_clear(error);
                assert!([&first.manifest, &second.manifest].contains(&&now.manifest));
            }
        }
        ceph.await_osds(2);
        downloads.await_rounds(2);

        // Through the gateway that is left, and through the balancer, which still tries both.
        for (version, site) in [(3, &surviving), (4, &site)] {
            let tree = tree(version);
            place::run(site.publish(&tree)).expect("two OSDs and a gateway are enough");
            assert_eq!(place::run(current(&site.open())).manifest, tree.manifest);
        }
        downloads.await_rounds(1);
    });
    place::run(verified_blobs(&surviving.open()));
}

#[test]
fn a_cluster_that_stops_is_given_up_and_used_again_when_it_goes_on() {
    let ceph = Arc::new(Ceph::start());
    let (site, impatient) = (ceph.balanced().fresh(), ceph.impatient().fresh());
    let (first, second) = (Tree::of_version("1:1.0-1"), Tree::of_version("1:2.0-1"));
    place::run(async {
        site.publish(&first).await.expect("nothing is in its way");
        let (start, cluster) = (Instant::now(), Arc::clone(&ceph));
        let stopped = publish_and_midway(&impatient, &second, move || cluster.signal_osds(Signal::STOP)).await;
        let error = stopped.expect_err("too few OSDs are left");
        eprintln!("the publish during it: {error:?}");
        assert_clear(&error);
        assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());

        ceph.signal_osds(Signal::CONT);
        ceph.await_osds(3);
        // What was given up may still have been done by now, but not by half.
        let now = current(&site.open()).await;
        assert!([&first.manifest, &second.manifest].contains(&&now.manifest));
        site.publish(&second).await.expect("nothing is in its way");
        assert_eq!(current(&site.open()).await.manifest, second.manifest);
        assert_eq!(verified_blobs(&site.open()).await, 12);
    });
}
