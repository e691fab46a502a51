//! What people read.

use release_store::testing::Tree;
use testkit::run::Run;

use crate::store::{LocalStore, xtask};

fn error(run: &Run) -> &str {
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    run.stderr.find("error: ").map(|at| &run.stderr[at..]).expect("an error")
}

#[test]
fn says_what_it_did_and_what_was_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = LocalStore::at(&dir.path().join("store"));
    let tree = Tree::of_version("1:1.0-1");
    let first = store.publish(&tree);
    assert_eq!(first.code, Some(0), "{first:?}");
    let url = store.url();
    assert!(first.stdout.starts_with(&format!("generation 1 of {url} serves the tree\nuploaded 6 packages, 1.8 MB; ")));
    let again = store.publish(&tree);
    assert!(
        again.stdout.starts_with(&format!("generation 1 of {url} serves this very tree already\nuploaded 0 packages"))
    );
    assert!(again.stdout.contains("; 6 packages, 1.8 MB were there; "), "{again:?}");
}

#[test]
fn names_the_file_that_is_not_what_the_manifest_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = LocalStore::at(&dir.path().join("store"));
    let tree = Tree::of_version("1:1.0-1");
    tree.put("install/deb/amd64/onboarding-agent.deb", b"short");
    let run = store.publish(&tree);
    assert!(
        error(&run).starts_with(&format!(
            "error: {} is not what its manifest says: install/deb/amd64/onboarding-agent.deb: wrong size: ",
            tree.dir().display()
        )),
        "{run:?}"
    );
    assert!(run.stderr.ends_with("hint: make the tree again with `cargo xtask dist`\n"), "{run:?}");
    assert!(!store.dir.join("generations").exists());
}

#[test]
fn asks_for_force_where_published_bytes_would_change() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = LocalStore::at(&dir.path().join("store"));
    let (tree, other) = (Tree::of_version("1:1.0-1"), Tree::with_content("1:1.0-1", "other"));
    assert_eq!(store.publish(&tree).code, Some(0));
    let refused = store.publish(&other);
    let digest = tree.manifest.artifacts[0].sha256;
    assert!(
        error(&refused)
            .starts_with("error: 8 packages would change what was published under the same version: /install/")
            && refused.stderr.contains(&format!("1:1.0-1 is {digest} in generation 1"))
            && refused.stderr.contains("--force"),
        "{refused:?}"
    );
    let forced = Run::of(store.publishing(&other).arg("--force"));
    assert!(forced.stdout.starts_with("generation 2 of "), "{forced:?}");
}

#[test]
fn says_what_is_wrong_with_urls_and_where_there_is_no_tree() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = LocalStore::at(&dir.path().join("store"));
    let absent = Run::of(xtask().args(["publish", "--store", &store.url(), "--from"]).arg(dir.path().join("absent")));
    assert!(error(&absent).contains("absent/manifest.json\n  caused by: No such file or directory"), "{absent:?}");
    assert!(absent.stderr.ends_with("hint: make the tree first: cargo xtask dist\n"), "{absent:?}");

    for (args, says) in [
        (&["--store", "s3://"][..], "invalid store URL `s3://`"),
        (&["--store", "/srv/store"], "expected file:///dir"),
        (&["--store", "s3://user:hunter2@bucket"], "credentials come from the environment, not from the URL"),
        (&["--store", "s3://bucket", "--endpoint", "127.0.0.1"], "invalid endpoint: expected https://host:port"),
        (&["--store", "file:///srv/store", "--endpoint", "http://127.0.0.1"], "file:///srv/store has no endpoint"),
    ] {
        let refused = Run::of(xtask().arg("publish").args(args).arg("--from").arg(Tree::of_version("1:1.0-1").dir()));
        assert!(error(&refused).contains(says), "{refused:?}");
    }
}
