//! Small dist trees for tests, here and in the programs that use a store.

use std::{
    fs,
    path::{Path, PathBuf},
};

use artifact::{
    Arch, Artifact, InstallPath, Package, PackageFormat, PackageSlot, ReleaseManifest, ReleaseTime, Revision,
    SCHEMA_VERSION, Sha256Digest, Source,
};
use tempfile::TempDir;

/// More than one read of the hashing loops.
const PACKAGE_SIZE: usize = 300_000;

/// A tree as `cargo xtask dist` makes it, with packages of a few hundred kilobytes that hold noise.
///
/// It has six packages at eight paths: the agent and the sidecar, which is the default and the revision `1-29` at once,
/// in both formats, the agent for both architectures.
#[derive(Debug)]
pub struct Tree {
    dir: TempDir,
    /// Written by [`Tree::write_manifest`].
    pub manifest: ReleaseManifest,
}

impl Tree {
    /// One that differs from all of other versions, in every byte.
    #[must_use]
    pub fn of_version(version: &str) -> Self {
        Self::with_content(version, version)
    }

    /// Its packages' bytes come from `content`, whatever they call themselves.
    #[must_use]
    pub fn with_content(version: &str, content: &str) -> Self {
        let revision = Revision::new("1-29").expect("valid");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut tree = Self {
            dir,
            manifest: ReleaseManifest {
                schema: SCHEMA_VERSION,
                version: version.to_owned(),
                time: ReleaseTime::from_unix(1_764_000_000),
                source: Source { commit: None, dirty: false },
                artifacts: Vec::new(),
            },
        };
        for format in PackageFormat::ALL {
            for (slot, arch) in [
                (PackageSlot::Agent, Arch::Amd64),
                (PackageSlot::Agent, Arch::Arm64),
                (PackageSlot::DefaultSidecar, Arch::Amd64),
                (PackageSlot::RevisionedSidecar(revision.clone()), Arch::Amd64),
            ] {
                tree.add(Package { slot, format, arch }, version, content);
            }
        }
        tree.manifest.artifacts.sort_by(|one, other| one.path.cmp(&other.path));
        tree.write_manifest();
        tree
    }

    fn add(&mut self, package: Package, version: &str, content: &str) {
        let component = package.slot.component();
        let revision = match &package.slot {
            PackageSlot::Agent => None,
            PackageSlot::DefaultSidecar | PackageSlot::RevisionedSidecar(_) => {
                Some(Revision::new("1-29").expect("valid"))
            }
        };
        let bytes = noise(&format!("{content} {component} {} {}", package.format, package.arch));
        let path = InstallPath::Package(package.clone());
        let artifact = Artifact {
            size: bytes.len() as u64,
            sha256: Sha256Digest::of(&bytes),
            component,
            version: version.to_owned(),
            arch: package.arch,
            format: package.format,
            revision,
            payload: None,
            path,
        };
        self.put(&artifact.path.relative(), &bytes);
        let checksum = InstallPath::Checksum(package).relative();
        self.put(&checksum, artifact.sha256.checksum_line(&artifact.path.file_name()).as_bytes());
        self.manifest.artifacts.push(artifact);
    }

    /// Makes the file agree with [`Tree::manifest`].
    pub fn write_manifest(&self) {
        self.put(ReleaseManifest::FILE_NAME, self.manifest.to_json().as_bytes());
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where a file of it stands.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file.
    pub fn put(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("below the tree")).expect("writable");
        fs::write(path, content).expect("writable");
    }

    /// The bytes of a package.
    #[must_use]
    pub fn bytes(&self, artifact: &Artifact) -> Vec<u8> {
        fs::read(self.path(&artifact.path.relative())).expect("it was written")
    }
}

/// Bytes that differ for each seed, and that no file system compresses.
fn noise(seed: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PACKAGE_SIZE + 32);
    let mut block = Sha256Digest::of(seed.as_bytes());
    while bytes.len() < PACKAGE_SIZE {
        bytes.extend_from_slice(block.as_bytes());
        block = Sha256Digest::of(block.as_bytes());
    }
    // Sizes differ as well.
    bytes.extend_from_slice(seed.as_bytes());
    bytes
}
