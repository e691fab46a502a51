//! What all servers serve: a dist tree with one large package, and a certificate.

use std::path::{Path, PathBuf};

use artifact::{
    Arch, Artifact, Component, InstallPath, Package, PackageFormat, PackageSlot, ReleaseManifest, ReleaseTime,
    SCHEMA_VERSION, Sha256Digest, Source,
};
use fs_err as fs;

use crate::{
    command::Cmd,
    failure::{FileContext, Outcome},
};

/// As large as a sidecar package may get.
pub(super) const PACKAGE_SIZE: u64 = 40 << 20;

/// Files for the servers, in a folder that goes away with this.
#[derive(Debug)]
pub(super) struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    /// Writes everything.
    pub(super) fn new(target: &Path) -> Outcome<Self> {
        let fixture = Self { dir: tempfile::tempdir_in(target).while_("make a scratch folder")? };
        let path = InstallPath::Package(package());
        let bytes = incompressible(PACKAGE_SIZE);
        let sha256 = Sha256Digest::of(&bytes);
        let file = fixture.tree().join(path.relative());
        fs::create_dir_all(file.parent().expect("install paths have a folder")).while_("write the benchmark's tree")?;
        fs::write(&file, &bytes).while_("write the benchmark's tree")?;
        let checksum = fixture.tree().join(InstallPath::Checksum(package()).relative());
        fs::write(checksum, sha256.checksum_line(&path.file_name())).while_("write the benchmark's tree")?;
        let version = "1:0.0.0-1".to_owned();
        let manifest = ReleaseManifest {
            schema: SCHEMA_VERSION,
            version: version.clone(),
            time: ReleaseTime::from_unix(1_700_000_000),
            source: Source { commit: None, dirty: false },
            artifacts: vec![Artifact {
                path,
                size: PACKAGE_SIZE,
                sha256,
                component: Component::OnboardingAgent,
                version,
                arch: Arch::Amd64,
                format: PackageFormat::Deb,
                revision: None,
                payload: None,
            }],
        };
        fs::write(fixture.tree().join(ReleaseManifest::FILE_NAME), manifest.to_json())
            .while_("write the benchmark's tree")?;
        Cmd::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
            .arg(fixture.key())
            .arg("-out")
            .arg(fixture.certificate())
            .output()?;
        Ok(fixture)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.path("dist")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.path("tls.crt")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.path("tls.key")
    }
}

fn package() -> Package {
    Package { slot: PackageSlot::Agent, format: PackageFormat::Deb, arch: Arch::Amd64 }
}

/// The path of the large file.
pub(super) fn package_path() -> String {
    InstallPath::Package(package()).to_string()
}

/// The path of the small file.
pub(super) fn checksum_path() -> String {
    InstallPath::Checksum(package()).to_string()
}

/// Bytes like those of a compressed package; no server may find a short cut through them.
fn incompressible(size: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::new();
    for _ in 0..size / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
