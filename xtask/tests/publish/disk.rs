//! Full disks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use release_store::testing::Tree;
use testkit::disk::SmallDisk;

use crate::store::LocalStore;

#[test]
fn a_full_disk_leaves_the_old_release_and_no_unfinished_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("store");
    let disk = SmallDisk::mount(&path, 2500);
    let store = LocalStore::at(&path);
    let (old, new) = (Tree::of_version("1:1.0-1"), Tree::of_version("1:2.0-1"));
    assert_eq!(store.publish(&old).code, Some(0));

    let run = store.publish(&new);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    assert!(run.stderr.contains(&format!("error: cannot write {}/blobs/", store.url())), "{run:?}");
    assert!(run.stderr.contains("No space left on device"), "{run:?}");
    assert!(run.stderr.contains("\nhint: free some space"), "{run:?}");
    assert_eq!(store.current().manifest, old.manifest);
    assert_eq!(store.verify().faults, []);
    assert_eq!(unfinished(&path), Vec::<PathBuf>::new());

    disk.resize(8000);
    let run = store.publish(&new);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(store.current().manifest, new.manifest);
}

fn unfinished(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(unfinished(&path));
        } else if path.to_string_lossy().contains('#') {
            found.push(path);
        }
    }
    found
}
