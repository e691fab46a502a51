//! A store whose current release is another one every second.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use artifact::{ReleaseManifest, Sha256Digest};
use release_store::{Access, GenerationNumber, PublishOptions, Store, StoreOptions, StoreUrl, Writers};
use testkit::tree::Tree;
use tokio::runtime::Runtime;

/// Releases with other bytes.
const TREES: u8 = 5;

/// Of a sidecar, in bytes.
const SIZE: usize = 3_000_000;

pub(crate) struct Releases {
    url: StoreUrl,
    store: Store,
    trees: Vec<Tree>,
    /// What a package may be.
    known: BTreeSet<(String, Sha256Digest)>,
    /// How releases come into the store.
    runtime: Mutex<Runtime>,
    _dir: tempfile::TempDir,
}

impl Releases {
    /// With one that is current.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let url = StoreUrl::local(dir.path()).expect("absolute");
        let store = Store::open(&url, &StoreOptions::default(), Access::Write).expect("writable");
        let trees: Vec<Tree> = (0..TREES).map(|seed| Tree::new(seed, SIZE)).collect();
        let mut known = BTreeSet::new();
        for tree in &trees {
            let json = std::fs::read(tree.path().join(ReleaseManifest::FILE_NAME)).expect("every tree has it");
            let manifest = ReleaseManifest::from_json(&json).expect("it was written for this program");
            known.extend(manifest.artifacts.iter().map(|artifact| (artifact.path.to_string(), artifact.sha256)));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
        let releases = Self { url, store, trees, known, runtime: Mutex::new(runtime), _dir: dir };
        releases.switch(0);
        releases
    }

    pub(crate) fn url(&self) -> String {
        self.url.to_string()
    }

    /// Every third is a rollback to one that is not the newest.
    pub(crate) fn switch(&self, number: u64) {
        let runtime = self.runtime.lock().expect("nobody panics while holding it");
        runtime.block_on(async {
            let newest = self.store.latest(None).await.expect("it answers").map_or(0, GenerationNumber::get);
            if number % 3 == 2 && newest > 2 {
                let to = GenerationNumber::new(newest - 1).expect("not 0");
                self.store.rollback(to, Writers::Many).await.expect("it is there");
            } else {
                let tree = &self.trees[usize::try_from(number).expect("few") % self.trees.len()];
                self.store.publish(&tree.path(), &PublishOptions::default(), Arc::new(())).await.expect("it is whole");
            }
        });
    }

    pub(crate) fn knows(&self, path: &str, digest: Sha256Digest) -> bool {
        self.known.contains(&(path.to_owned(), digest))
    }
}
