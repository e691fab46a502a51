//! A dist tree, for trying out and for mirrors that are copied by other means.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use artifact::{ReleaseManifest, Sha256Digest};
use rustix::fs::{Mode, OFlags, open, openat};
use tracing::info;

use super::{FollowError, Follower};
use crate::catalog::{Catalog, Release};
use crate::serve::{
    app::{App, Served},
    source::{Source, TreeFiles},
};

/// How often a tree is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many earlier trees stay at most, with their open files.
const EARLIER: usize = 16;

/// Follows a dist tree, which `dist` swaps in whole.
#[derive(Debug)]
pub(crate) struct TreeFollower {
    root: PathBuf,
    app: Arc<App>,
    seen: Option<Seen>,
}

/// What tells one state of a manifest's file from another.
type Seen = (u64, u64, i64, i64);

impl TreeFollower {
    /// Nothing is read yet.
    #[must_use]
    pub(crate) fn new(root: PathBuf, app: Arc<App>) -> Self {
        Self { root, app, seen: None }
    }

    /// Serves the tree as it is now, if it is not what is served already.
    fn look_now(&mut self) -> Result<(), FollowError> {
        // All is read through one open folder, so that a tree swapped in meanwhile is not mixed into this one.
        let read = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| FollowError::Read { path, source }
        };
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let folder = open(&self.root, flags, Mode::empty()).map_err(io::Error::from).map_err(read(&self.root))?;
        let path = self.root.join(ReleaseManifest::FILE_NAME);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut file = openat(&folder, ReleaseManifest::FILE_NAME, flags, Mode::empty())
            .map(fs::File::from)
            .map_err(io::Error::from)
            .map_err(read(&path))?;
        let metadata = file.metadata().map_err(read(&path))?;
        let seen = (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        if self.seen == Some(seen) {
            return Ok(());
        }
        let mut json = Vec::new();
        file.read_to_end(&mut json).map_err(read(&path))?;
        let manifest =
            ReleaseManifest::from_json(&json).map_err(|source| FollowError::Manifest { path: path.clone(), source })?;
        let files = TreeFiles::open(&folder, &self.root, &manifest)
            .map_err(|(path, source)| FollowError::Read { path, source })?;
        self.seen = Some(seen);
        self.switch(tree_id(&json).into(), manifest, files);
        Ok(())
    }

    fn switch(&self, id: Arc<str>, manifest: ReleaseManifest, files: TreeFiles) {
        let served = self.app.served();
        let before = served.as_ref().map(|served| served.catalog.releases()).unwrap_or_default();
        if before.first().is_some_and(|current| current.id == id) {
            return;
        }
        let earlier: Vec<_> = before.iter().filter(|release| release.id != id).take(EARLIER).cloned().collect();
        let files = match served.as_ref().map(|served| &served.source) {
            Some(Source::Tree(older)) => {
                files.with(older, earlier.iter().flat_map(|release| release.blobs().into_keys()))
            }
            _ => files,
        };
        let release = Arc::new(Release::new(id, manifest.time, manifest));
        info!(release = %release.id, version = release.manifest.version, tree = %self.root.display(), "serving");
        self.app.switch(Served { catalog: Catalog::new(release, earlier), source: Source::Tree(files) });
    }
}

impl Follower for TreeFollower {
    const INTERVAL: Duration = INTERVAL;

    async fn look(&mut self) -> Result<(), FollowError> {
        self.app.trim();
        self.look_now()
    }

    fn app(&self) -> &App {
        &self.app
    }
}

/// A tree has no number: its content names it.
fn tree_id(manifest: &[u8]) -> String {
    format!("tree-{}", &Sha256Digest::of(manifest).to_string()[..12])
}

/// Whether `root` looks like something that can be followed.
pub(crate) fn check(root: &Path) -> Result<ReleaseManifest, FollowError> {
    let path = root.join(ReleaseManifest::FILE_NAME);
    let json = fs::read(&path).map_err(|source| FollowError::Read { path: path.clone(), source })?;
    ReleaseManifest::from_json(&json).map_err(|source| FollowError::Manifest { path, source })
}
