use serde::{Deserialize, Serialize};

use crate::{
    Arch, CommitId, Component, InstallPath, PackageFormat, ReleaseTime, Revision, Sha256Digest, UpstreamVersion,
};

/// The schema that this version writes and reads. It grows with every change that an older reader would misread.
pub const SCHEMA_VERSION: u32 = 1;

/// `manifest.json`: what one dist holds. Written beside `install/`, in a deterministic order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseManifest {
    /// Always [`SCHEMA_VERSION`] in a manifest that [`ReleaseManifest::from_json`] accepted.
    pub schema: u32,
    /// Debian's `Version`, shared by all packages of the dist.
    pub version: String,
    /// The time that versions and file times carry.
    pub time: ReleaseTime,
    /// What the dist was built from.
    pub source: Source,
    /// Every package, ordered by install path.
    pub artifacts: Vec<Artifact>,
}

/// The state of the source tree that a dist was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Absent when the tree is no git checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Whether tracked files differed from that commit.
    pub dirty: bool,
}

/// One package at one install path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The URI's path. The `.sha256` beside it is implied.
    pub path: InstallPath,
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256Digest,
    /// What it installs.
    pub component: Component,
    /// `[epoch:]version-release` as the package's own format writes it.
    pub version: String,
    /// The machine that it runs on.
    pub arch: Arch,
    /// DEB or RPM.
    pub format: PackageFormat,
    /// The Istio revision, for a sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// What the sidecar package carries besides our own files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
}

/// The parts of Istio in a sidecar package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Istio's version, as the operator's manifest states it.
    pub istio: UpstreamVersion,
    /// Envoy's version, as the operator's manifest states it.
    pub envoy: UpstreamVersion,
    /// Whether pilot-agent is among the members; without it the sidecar cannot join a mesh by itself.
    pub pilot_agent: bool,
    /// The files, ordered by path.
    pub members: Vec<PayloadMember>,
}

/// One payload file, as installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadMember {
    /// Absolute, on the VM.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Of the file as installed, so after stripping.
    pub sha256: Sha256Digest,
}

/// A `manifest.json` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of this schema.
    #[error("the release manifest is malformed")]
    Malformed(#[source] serde_json::Error),
    /// Written by a later version.
    #[error("the release manifest has schema {found}, this program reads schema {SCHEMA_VERSION}")]
    Schema {
        /// What the file says.
        found: u32,
    },
}

impl ReleaseManifest {
    /// The file's name in the dist tree.
    pub const FILE_NAME: &'static str = "manifest.json";

    /// Reads a manifest; the schema is looked at first, so that a later one is named as such.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let Schema { schema } = serde_json::from_slice(json).map_err(ManifestError::Malformed)?;
        if schema != SCHEMA_VERSION {
            return Err(ManifestError::Schema { found: schema });
        }
        serde_json::from_slice(json).map_err(ManifestError::Malformed)
    }

    /// The file's content.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("plain data is always JSON");
        json.push('\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_later_schema_instead_of_its_unknown_fields() {
        let error = ReleaseManifest::from_json(br#"{"schema": 2, "new": true}"#).expect_err("later schema");
        assert!(matches!(error, ManifestError::Schema { found: 2 }), "{error}");
    }

    #[test]
    fn round_trips() {
        let manifest = ReleaseManifest {
            schema: SCHEMA_VERSION,
            version: "1:0.1.0+20251124160000-1".to_owned(),
            time: ReleaseTime::from_unix(1_764_000_000),
            source: Source { commit: None, dirty: true },
            artifacts: vec![Artifact {
                path: "/install/deb/amd64/istio-sidecar.deb".parse().expect("documented"),
                size: 7,
                sha256: Sha256Digest::of(b"package"),
                component: Component::IstioSidecar,
                version: "1:0.1.0+20251124160000-1".to_owned(),
                arch: Arch::Amd64,
                format: PackageFormat::Deb,
                revision: Some(Revision::default_revision()),
                payload: Some(Payload {
                    istio: "1.29.6".parse().expect("semver"),
                    envoy: "1.37.0".parse().expect("semver"),
                    pilot_agent: false,
                    members: vec![PayloadMember {
                        path: "/usr/local/bin/envoy".to_owned(),
                        size: 5,
                        sha256: Sha256Digest::of(b"envoy"),
                    }],
                }),
            }],
        };
        assert_eq!(ReleaseManifest::from_json(manifest.to_json().as_bytes()).expect("own output"), manifest);
    }
}
