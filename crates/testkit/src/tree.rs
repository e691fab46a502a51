//! Small dist trees.

use std::path::{Path, PathBuf};

use artifact::{
    Arch, Artifact, Component, InstallPath, Package, PackageFormat, PackageSlot, Payload, ReleaseManifest, ReleaseTime,
    Revision, SCHEMA_VERSION, Sha256Digest, Source,
};

/// What the tests know of the first tree's time.
pub const MODIFIED: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
const TIME: u32 = 1_700_000_000;

/// The largest file of every tree.
pub const PACKAGE: &str = "/install/deb/amd64/istio-sidecar.deb";
/// Its checksum.
pub const CHECKSUM: &str = "/install/deb/amd64/istio-sidecar.deb.sha256";

/// A dist tree in a folder that goes away with it.
#[derive(Debug)]
pub struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// The agent and a default sidecar of `size` bytes, whose bytes follow from `seed`.
    #[must_use]
    pub fn new(seed: u8, size: usize) -> Self {
        let tree = Self { dir: tempfile::tempdir().expect("a folder") };
        tree.write(seed, size);
        tree
    }

    /// Small packages of one version, with a sidecar for each of these revisions.
    #[must_use]
    pub fn with_revisions(version: &str, revisions: &[&str]) -> Self {
        let tree = Self { dir: tempfile::tempdir().expect("a folder") };
        let revisions: Vec<Revision> = revisions.iter().map(|name| name.parse().expect("a revision")).collect();
        write(&tree.path(), 0, 1000, version, &revisions);
        tree
    }

    /// Puts other bytes in the place of a package.
    pub fn replace(&self, package: &str, bytes: &[u8]) {
        let manifest = self.path().join(ReleaseManifest::FILE_NAME);
        let json = std::fs::read(&manifest).expect("every tree has it");
        let mut release = ReleaseManifest::from_json(&json).expect("we wrote it");
        let mut artifacts = release.artifacts.iter_mut();
        let artifact = artifacts.find(|artifact| artifact.path.to_string() == package).expect("it is in the tree");
        (artifact.size, artifact.sha256) = (bytes.len() as u64, Sha256Digest::of(bytes));
        put(&self.path(), &artifact.path, bytes);
        let line = artifact.sha256.checksum_line(&artifact.path.file_name());
        put(&self.path(), &InstallPath::Checksum(artifact.path.package().clone()), line.as_bytes());
        std::fs::write(manifest, release.to_json()).expect("our own folder");
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("dist")
    }

    /// The file behind an install path.
    #[must_use]
    pub fn file(&self, install_path: &str) -> PathBuf {
        self.path().join(&install_path[1..])
    }

    /// Swaps another tree in whole, as `dist` does.
    pub fn write(&self, seed: u8, size: usize) {
        let new = self.dir.path().join("new");
        write(&new, seed, size, &format!("1:0.1.0+{seed}-1"), &[Revision::default_revision()]);
        let old = self.path();
        if old.exists() {
            rustix::fs::renameat_with(rustix::fs::CWD, &new, rustix::fs::CWD, &old, rustix::fs::RenameFlags::EXCHANGE)
                .expect("both are there");
            std::fs::remove_dir_all(&new).expect("our own folder");
        } else {
            std::fs::rename(&new, &old).expect("our own folder");
        }
    }
}

/// Bytes that differ at every offset between two seeds.
#[must_use]
pub fn content(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251).to_le_bytes()[0] ^ (index / 65_536).to_le_bytes()[0] ^ seed).collect()
}

fn write(root: &Path, seed: u8, size: usize, version: &str, revisions: &[Revision]) {
    let mut artifacts = Vec::new();
    for (format, arch) in PackageFormat::ALL.into_iter().flat_map(|format| Arch::ALL.map(|arch| (format, arch))) {
        let sidecars = revisions.iter().cloned().map(PackageSlot::RevisionedSidecar);
        for slot in [PackageSlot::Agent, PackageSlot::DefaultSidecar].into_iter().chain(sidecars) {
            let component = slot.component();
            let is_sidecar = component == Component::IstioSidecar;
            let revision = match &slot {
                PackageSlot::Agent => None,
                PackageSlot::DefaultSidecar => Some(Revision::default_revision()),
                PackageSlot::RevisionedSidecar(revision) => Some(revision.clone()),
            };
            let salt = format.extension().as_bytes()[0] ^ arch.debian().as_bytes()[1];
            let bytes = content(seed ^ salt, if is_sidecar { size } else { 87 });
            let path = InstallPath::Package(Package { slot, format, arch });
            put(root, &path, &bytes);
            let checksum = InstallPath::Checksum(path.package().clone());
            let sha256 = Sha256Digest::of(&bytes);
            put(root, &checksum, sha256.checksum_line(&path.file_name()).as_bytes());
            artifacts.push(Artifact {
                path,
                size: bytes.len() as u64,
                sha256,
                component,
                version: version.to_owned(),
                arch,
                format,
                revision,
                payload: is_sidecar.then(|| Payload {
                    istio: "1.29.6".parse().expect("a version"),
                    envoy: "1.37.0".parse().expect("a version"),
                    pilot_agent: false,
                    members: Vec::new(),
                }),
            });
        }
    }
    artifacts.sort_by_key(|artifact| artifact.path.to_string());
    let manifest = ReleaseManifest {
        schema: SCHEMA_VERSION,
        version: version.to_owned(),
        time: ReleaseTime::from_unix(TIME + u32::from(seed)),
        source: Source { commit: None, dirty: false },
        artifacts,
    };
    std::fs::write(root.join(ReleaseManifest::FILE_NAME), manifest.to_json()).expect("our own folder");
}

fn put(root: &Path, path: &InstallPath, bytes: &[u8]) {
    let path = root.join(path.relative());
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("our own folder");
    std::fs::write(path, bytes).expect("our own folder");
}
