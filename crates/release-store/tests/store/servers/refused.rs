//! Stores that two publishers could both believe to have won.

use release_store::{GenerationNumber, Outcome, ProbeError, PublishError, Writers, testing::Tree};

use super::{Places, process::Server};
use crate::{
    conformance::{current, verified_blobs},
    place,
};

#[test]
fn a_store_that_overwrites_is_refused_unless_there_is_one_writer() {
    let server = Server::fauxqs();
    let site = server.s3().fresh();
    place::run(async {
        let (one, two) = (Tree::of_version("1:1.0-1"), Tree::of_version("1:2.0-1"));
        let error = site.publish(&one).await.expect_err("it is not safe");
        assert!(matches!(error, PublishError::Probe(ProbeError::NotExclusive { .. })), "{error}");
        assert!(error.to_string().ends_with("an object that was to be created once was overwritten"), "{error}");
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
