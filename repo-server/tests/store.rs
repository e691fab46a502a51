//! The real binary over a local store.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

use std::{path::PathBuf, process::Command, sync::Arc};

use release_store::{Access, PublishOptions, Store, StoreOptions, StoreUrl, testing::Tree};
use serde_json::json;
use tempfile::TempDir;
use testkit::run::Run;

/// A store with releases `1:1-1`, `1:2-1` and so on.
struct Site {
    dir: TempDir,
    trees: Vec<Tree>,
}

impl Site {
    fn with_releases(number: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let site =
            Self { trees: (1..=number).map(|version| Tree::of_version(&format!("1:{version}-1"))).collect(), dir };
        let url = StoreUrl::local(site.store()).expect("absolute");
        let store = Store::open(&url, &StoreOptions::default(), Access::Write).expect("writable");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
        for tree in &site.trees {
            let options = PublishOptions::default();
            runtime.block_on(store.publish(tree.dir(), &options, Arc::new(()))).expect("it can be published");
        }
        site
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn url(&self) -> String {
        format!("file://{}", self.store().display())
    }

    fn run(&self, command: &str, args: &[&str]) -> Run {
        Run::of(Command::new(env!("CARGO_BIN_EXE_repo-server")).args([command, "--store", &self.url()]).args(args))
    }

    /// The first package of a release, as the store keeps it.
    fn blob(&self, release: usize) -> PathBuf {
        let name = self.trees[release - 1].manifest.artifacts[0].sha256.to_string();
        self.store().join("blobs/sha256").join(&name[..2]).join(name)
    }
}

#[test]
fn lists_releases_newest_first_and_marks_the_current_one() {
    let site = Site::with_releases(2);
    assert_eq!(site.run("rollback", &["--to", "1"]).code, Some(0));
    let list = site.run("releases", &[]);
    let lines: Vec<Vec<_>> = list.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((list.code, lines[0][0], lines[0][4]), (Some(0), "GENERATION", "ACTION"), "{list:?}");
    assert_eq!((&lines[1][..2], &lines[1][3..]), (&["3", "*"][..], &["8", "1:1-1", "rollback", "to", "1"][..]));
    assert_eq!((lines[2][0], &lines[2][2..]), ("2", &["8", "1:2-1", "publish"][..]));

    let document = site.run("releases", &["--json"]).json();
    let releases = document["releases"].as_array().expect("a list");
    assert_eq!((releases.len(), &document["store"], &document["unusable"]), (3, &json!(site.url()), &json!([])));
    assert_eq!(releases[0]["action"], json!({"kind": "rollback", "of": 1}));
    let current: Vec<_> = releases.iter().map(|release| release["current"].as_bool()).collect();
    assert_eq!(current, [Some(true), Some(false), Some(false)]);
}

#[test]
fn lists_the_others_when_one_is_unusable() {
    let site = Site::with_releases(2);
    std::fs::write(site.store().join("generations/00000000000000000001.json"), r#"{"schema": 3}"#).expect("writable");
    let list = site.run("releases", &[]);
    assert_eq!((list.code, list.stdout.lines().count()), (Some(1), 2), "{list:?}");
    assert_eq!(
        list.stderr,
        format!(
            "error: cannot use generation 1 of {}\ncaused by: the generation has schema 3, this program reads schema 1\n\
             hint: use the version that published it\n",
            site.url()
        )
    );
}

#[test]
fn rolls_back_and_says_to_what() {
    let site = Site::with_releases(2);
    let back = site.run("rollback", &["--to", "1"]);
    assert_eq!(
        (back.code, back.stdout.as_str()),
        (Some(0), "generation 3 serves what generation 1 served\n"),
        "{back:?}"
    );
    let again = site.run("rollback", &["--to", "1", "--json"]);
    assert_eq!(again.json(), json!({"generation": 3, "rollback_of": 1, "created": false}));
    let missing = site.run("rollback", &["--to", "7"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        missing.stderr,
        format!(
            "error: {0} has no generation 7\nhint: repo-server releases --store {0} lists what there is\n",
            site.url()
        )
    );
}

#[test]
fn refuses_to_roll_back_to_what_is_not_whole() {
    let site = Site::with_releases(2);
    std::fs::remove_file(site.blob(1)).expect("it is there");
    let refused = site.run("rollback", &["--to", "1"]);
    let digest = site.trees[0].manifest.artifacts[0].sha256;
    let error = format!("error: generation 1 of {} is not whole: blob {digest} is missing\nhint: ", site.url());
    assert!(refused.code == Some(1) && refused.stderr.starts_with(&error), "{refused:?}");
}

#[test]
fn verifies_and_reports_every_bad_package_with_its_path() {
    let site = Site::with_releases(2);
    let good = site.run("verify", &[]);
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "2 releases verified: 12 packages, 3.6 MB\n"), "{good:?}");

    std::fs::remove_file(site.blob(1)).expect("it is there");
    std::fs::write(site.blob(2), "short").expect("writable");
    let bad = site.run("verify", &[]);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(1), ""));
    for (release, what) in [(1, "missing"), (2, "wrong size: ")] {
        let artifact = &site.trees[release - 1].manifest.artifacts[0];
        let line = format!("error: blob {} of {} in generation {release}: {what}", artifact.sha256, artifact.path);
        assert!(bad.stderr.contains(&line), "{line}: {bad:?}");
    }
    assert!(bad.stderr.contains("\n2 faults in a store of 2 releases\nhint: "), "{bad:?}");
    let document = site.run("verify", &["--json"]).json();
    assert_eq!((&document["valid"], document["faults"].as_array().map(Vec::len)), (&json!(false), Some(2)));
    assert!(document["faults"].as_array().expect("a list").iter().any(|fault| fault["blob"] == "missing"));
}

#[test]
fn collects_what_is_not_kept() {
    let site = Site::with_releases(3);
    let young = site.run("gc", &["--keep", "1"]);
    let nothing = "deleted 0 releases and 0 packages, 0 B; 18 packages stay\n";
    assert_eq!((young.code, young.stdout.as_str()), (Some(0), nothing), "{young:?}");
    let told = site.run("gc", &["--keep", "2", "--grace", "0s", "--dry-run", "--json"]).json();
    assert_eq!((&told["dry_run"], &told["generations"]), (&json!(true), &json!([1])));
    let done = site.run("gc", &["--keep", "2", "--grace", "0s"]);
    assert!(done.stdout.starts_with("deleted generation 1\ndeleted blob "), "{done:?}");
    assert!(done.stdout.ends_with("deleted 1 releases and 6 packages, 1.8 MB; 12 packages stay\n"), "{done:?}");
    assert_eq!(site.run("verify", &[]).code, Some(0));
}

#[test]
fn says_where_there_is_no_store_and_makes_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let absent = dir.path().join("absent");
    for command in ["releases", "verify", "gc"] {
        let url = format!("file://{}", absent.display());
        let ran = Run::of(Command::new(env!("CARGO_BIN_EXE_repo-server")).args([command, "--store", &url]));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        let error = format!("error: cannot open the store {}\ncaused by: No such file", absent.display());
        assert!(ran.stderr.starts_with(&error) && ran.stderr.contains("\nhint: publish to it first"), "{ran:?}");
    }
    assert!(!absent.exists());
}

#[test]
fn refuses_arguments_that_do_not_go_together() {
    let site = Site::with_releases(1);
    for args in
        [&["verify"][..], &["verify", "--dir", "x", "--store", "memory:"], &["gc", "--store", "memory:", "--keep", "0"]]
    {
        let ran = Run::of(Command::new(env!("CARGO_BIN_EXE_repo-server")).args(args));
        assert!(ran.code.is_some_and(|code| code != 0) && ran.stdout.is_empty(), "{ran:?}");
    }
    assert_ne!(site.run("gc", &["--grace", "soon"]).code, Some(0));
    assert_ne!(site.run("rollback", &["--to", "01"]).code, Some(0));
}
