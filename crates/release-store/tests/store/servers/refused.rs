//! Stores that two publishers could both believe to have won.

use std::time::Instant;

use release_store::{GenerationNumber, Outcome, ProbeError, PublishError, Writers, testing::Tree};

use super::{PATIENCE, Places, process::Server, s3s_fs, swift};
use crate::{
    conformance::{current, verified_blobs},
    place::{self, Place},
};

const OVERWRITES: &str = "an object that was to be created once was overwritten";

#[test]
fn a_store_that_overwrites_is_refused_unless_there_is_one_writer() {
    let server = Server::fauxqs();
    refused_unless_there_is_one_writer(&server.s3(), OVERWRITES);
}

#[test]
fn a_store_without_conditional_writes_is_refused_at_once_unless_there_is_one_writer() {
    let server = swift();
    let (place, start) = (server.s3_by_swift(), Instant::now());
    let refused = place::run(place.fresh().publish(&Tree::of_version("1:1.0-1")));
    assert!(refused.is_err() && start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
    refused_unless_there_is_one_writer(&place, "it refuses them as not implemented");
}

/// Whether it is seen depends on who comes when, so it is asked for often.
#[test]
fn a_store_that_looks_before_it_writes_is_nearly_always_refused() {
    const PUBLISHERS: usize = 40;
    let server = s3s_fs();
    let site = server.s3().fresh();
    place::run(async {
        let tree = Tree::of_version("1:1.0-1");
        site.publish_with(&tree, &place::alone()).await.expect("there is one writer");
        let mut refused = 0;
        for _ in 0..PUBLISHERS {
            match site.publish(&tree).await {
                Ok(published) => assert_eq!(published.outcome, Outcome::Unchanged),
                Err(PublishError::Probe(error)) => {
                    assert!(error.to_string().ends_with(OVERWRITES), "{error}");
                    refused += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(refused >= PUBLISHERS * 4 / 5, "{refused}");
        assert_eq!(verified_blobs(&site.open()).await, 6);
    });
}

fn refused_unless_there_is_one_writer(place: &Place, reason: &str) {
    let site = place.fresh();
    place::run(async {
        let (one, two) = (Tree::of_version("1:1.0-1"), Tree::of_version("1:2.0-1"));
        let error = site.publish(&one).await.expect_err("it is not safe");
        assert!(matches!(error, PublishError::Probe(ProbeError::NotExclusive { .. })), "{error}");
        assert!(error.to_string().ends_with(reason), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("--single-writer")));
        let store = site.open();
        assert_eq!(store.latest(None).await.expect("it answers"), None);

        for (tree, number) in [(&one, 1), (&two, 2)] {
            let published = site.publish_with(tree, &place::alone()).await.expect("there is one writer");
            assert_eq!((published.generation.get(), published.outcome), (number, Outcome::Committed));
        }
        let again = site.publish_with(&two, &place::alone()).await.expect("there is one writer");
        assert_eq!(again.outcome, Outcome::Unchanged);
        assert!(store.rollback(GenerationNumber::FIRST, Writers::Many).await.is_err());
        let back = store.rollback(GenerationNumber::FIRST, Writers::Single).await.expect("there is one writer");
        assert_eq!(back.generation.get(), 3);
        assert_eq!(current(&store).await.manifest, one.manifest);
        assert_eq!(verified_blobs(&store).await, 12);
    });
}
