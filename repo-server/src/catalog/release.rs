//! One release in memory: every file that it offers, by install path.

use std::{collections::BTreeMap, sync::Arc};

use artifact::{Artifact, InstallPath, ReleaseManifest, ReleaseTime, Sha256Digest};

use super::resource::Resource;

/// A release with its files.
#[derive(Debug)]
pub struct Release {
    /// As it stands in `/releases/<id>/` and in the field `Slipway-Release`.
    pub id: Arc<str>,
    /// When it was published: `Last-Modified` of all its files.
    pub modified: ReleaseTime,
    /// What it holds.
    pub manifest: ReleaseManifest,
    /// By install path. Packages that stand at two paths are there twice.
    files: BTreeMap<String, Arc<Resource>>,
}

impl Release {
    /// Prepares every file's answers.
    #[must_use]
    pub fn new(id: Arc<str>, modified: ReleaseTime, manifest: ReleaseManifest) -> Self {
        let files = manifest.artifacts.iter().flat_map(|artifact| both(artifact, modified, &id)).collect();
        Self { id, modified, manifest, files }
    }

    /// The file at an install path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Arc<Resource>> {
        self.files.get(path)
    }

    /// All install paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The entry of the manifest behind an install path, be it the package's or its checksum's.
    #[must_use]
    pub fn artifact(&self, path: &str) -> Option<&Artifact> {
        let path: InstallPath = path.parse().ok()?;
        self.manifest.artifacts.iter().find(|artifact| artifact.path.package() == path.package())
    }

    /// Every package once, with its size.
    #[must_use]
    pub fn blobs(&self) -> BTreeMap<Sha256Digest, u64> {
        self.manifest.artifacts.iter().map(|artifact| (artifact.sha256, artifact.size)).collect()
    }
}

/// A package and its checksum file.
fn both(artifact: &Artifact, modified: ReleaseTime, release: &str) -> [(String, Arc<Resource>); 2] {
    let line = artifact.sha256.checksum_line(&artifact.path.file_name());
    let checksum = InstallPath::Checksum(artifact.path.package().clone());
    let package = Resource::package(artifact.format, artifact.sha256, artifact.size, modified, release);
    [
        (artifact.path.to_string(), Arc::new(package)),
        (checksum.to_string(), Arc::new(Resource::checksum(line, modified, release))),
    ]
}
