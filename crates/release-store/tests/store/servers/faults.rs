//! Answers that are lost, refused, late or cut short, between a publisher and a real server.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use release_store::{Blob, BlobBody, BlobFault, CommitError, Outcome, PublishError, StoreFault, testing::Tree};

use super::{
    BUCKET,
    process::Server,
    proxy::{Fault, Proxy, Rule},
    s3_options,
};
use crate::{
    conformance::{current, verified_blobs},
    place::{self, Place, Site},
};

/// A store behind a proxy, and the same store without it.
struct Behind {
    proxy: Proxy,
    site: Site,
    direct: Site,
    _server: Server,
}

impl Behind {
    fn new() -> Self {
        let server = Server::ministack();
        let proxy = Proxy::before(server.port());
        let mut options = s3_options(proxy.port());
        options.patience = Duration::from_secs(4);
        let bucket = format!("s3://{BUCKET}");
        let site = Place::server(&bucket, options).fresh();
        let direct = Place::server(&bucket, s3_options(server.port())).fresh();
        Self { proxy, site, direct, _server: server }
    }

    fn set(&self, method: &'static str, part: &'static str, fault: Fault, times: usize) {
        self.proxy.set(Some(Rule { method, part, fault, times }));
    }

    /// The next publish is well, and its release whole.
    async fn recovers(&self, tree: &Tree, generation: u64) {
        self.proxy.set(None);
        let published = self.site.publish(tree).await.expect("nothing is in its way");
        assert_eq!(published.generation.get(), generation);
        assert_eq!(current(&self.direct.open()).await.manifest, tree.manifest);
        verified_blobs(&self.direct.open()).await;
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_found_to_be_ones_own() {
    let behind = Behind::new();
    place::run(async {
        let lost = [Fault::ApplyThen(500), Fault::ApplyThen(503), Fault::ApplyThen(409), Fault::ApplyThenReset];
        for (generation, fault) in (1..).zip(lost) {
            behind.set("PUT", "/generations/", fault, 1);
            let tree = Tree::of_version(&format!("1:{generation}-1"));
            let published = behind.site.publish(&tree).await.expect("it was committed");
            assert_eq!((published.generation.get(), published.outcome), (generation, Outcome::Committed), "{fault:?}");
            assert_eq!(behind.proxy.left(), 0);
            assert_eq!(current(&behind.direct.open()).await.manifest, tree.manifest);
        }
        assert_eq!(behind.direct.open().generations().await.expect("it answers").len(), lost.len());
    });
}

#[test]
fn a_blob_whose_answer_was_lost_is_there() {
    let behind = Behind::new();
    place::run(async {
        for (generation, fault) in (1..).zip([Fault::ApplyThen(500), Fault::ApplyThenReset]) {
            behind.set("PUT", "/blobs/", fault, 3);
            let tree = Tree::of_version(&format!("1:{generation}-1"));
            assert_eq!(behind.site.publish(&tree).await.expect("all is there").outcome, Outcome::Committed);
            assert_eq!((behind.proxy.left(), verified_blobs(&behind.direct.open()).await), (0, 6 * generation));
        }
    });
}

#[test]
fn a_commit_that_is_always_refused_says_so_and_the_old_release_stays() {
    let behind = Behind::new();
    place::run(async {
        let (old, new) = (Tree::of_version("1:1.0-1"), Tree::of_version("1:2.0-1"));
        behind.site.publish(&old).await.expect("nothing is in its way");
        behind.set("PUT", "/generations/", Fault::Refuse(500), usize::MAX);
        let error = behind.site.publish(&new).await.expect_err("it cannot commit");
        assert!(matches!(error, PublishError::Commit(CommitError::Unknown { .. })), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.starts_with("publishing again is harmless")));
        let cause = error.source().expect("the store's error").to_string();
        assert!(cause.contains("generations/00000000000000000002.json"), "{cause}");
        assert_eq!(current(&behind.direct.open()).await.manifest, old.manifest);
        behind.recovers(&new, 2).await;
    });
}

#[test]
fn a_store_that_hangs_is_given_up() {
    let behind = Behind::new();
    place::run(async {
        let tree = Tree::of_version("1:1.0-1");
        behind.set("PUT", "/blobs/", Fault::Stall, usize::MAX);
        let start = Instant::now();
        let error = behind.site.publish(&tree).await.expect_err("nobody answers");
        assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
        let PublishError::Store(error) = &error else { panic!("{error}") };
        assert!(error.to_string().starts_with(&format!("cannot write s3://{BUCKET}/mesh/store-0/blobs/")), "{error}");
        behind.recovers(&tree, 1).await;
    });
}

#[test]
fn credentials_that_are_refused_are_named() {
    let behind = Behind::new();
    place::run(async {
        behind.set("", "", Fault::Refuse(403), usize::MAX);
        let error = behind.site.publish(&Tree::of_version("1:1.0-1")).await.expect_err("it is refused");
        assert!(error.hint().is_some_and(|hint| hint.contains("AWS_ACCESS_KEY_ID")), "{error}");
        assert!(behind.site.open().latest(None).await.is_err());
    });
}

#[test]
fn a_body_that_is_cut_short_is_never_taken_for_the_blob() {
    let behind = Behind::new();
    place::run(async {
        let tree = Tree::of_version("1:1.0-1");
        behind.site.publish(&tree).await.expect("nothing is in its way");
        let store = behind.site.open();
        // The client goes on where it was cut.
        behind.set("GET", "/blobs/", Fault::CutBody(1000), 2);
        assert_eq!((verified_blobs(&store).await, behind.proxy.left()), (6, 0));

        behind.set("GET", "/blobs/", Fault::CutBody(1000), usize::MAX);
        let artifact = &tree.manifest.artifacts[0];
        let opened = store.open_blob(Blob { digest: artifact.sha256, size: artifact.size }, None).await;
        if let Ok(BlobBody::Stream(stream)) = opened {
            let read = stream.try_collect::<Vec<_>>().await;
            assert!(read.is_err(), "{} bytes of {}", read.expect("it is not").concat().len(), artifact.size);
        }
        let faults = store.verify(place::jobs(), &()).await.expect("listings are whole").faults;
        assert_eq!(faults.len(), 6);
        for fault in faults {
            assert!(matches!(fault, StoreFault::Blob { kind: BlobFault::Unreadable { .. }, .. }), "{fault}");
        }
        behind.recovers(&tree, 1).await;
    });
}
