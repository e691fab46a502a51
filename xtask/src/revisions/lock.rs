use std::path::{Path, PathBuf};

use artifact::{Arch, ReleaseTime, Revision, Sha256Digest};
use payload_intake::{GlibcVersion, MemberPath};
use serde::{Deserialize, Serialize};

use super::{Manifest, MemberKind, PayloadSpec};
use crate::failure::Diagnose;

/// `revisions.lock`: what every source of a manifest resolved to. `dist` uses nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    schema: u32,
    /// When a payload last changed. Packages made after it have a higher version, also when no commit was made.
    pub(crate) changed: ReleaseTime,
    #[serde(rename = "payload", default)]
    pub(crate) payloads: Vec<LockedPayload>,
}

/// The files of one revision for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedPayload {
    pub(crate) revision: Revision,
    pub(crate) arch: Arch,
    /// [`super::Source`] as text, relative to the manifest's folder.
    pub(crate) source: String,
    /// The program that stripped the members, with its version; absent when they are as upstream built them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stripped_by: Option<String>,
    /// Absent for a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) archive: Option<LockedArchive>,
    #[serde(rename = "member")]
    pub(crate) members: Vec<LockedMember>,
}

/// The file that the members are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedArchive {
    /// Tells the archive's kind by its ending.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
}

/// One file, in the archive and as installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedMember {
    pub(crate) name: MemberKind,
    pub(crate) path: MemberPath,
    /// As upstream built it.
    pub(crate) upstream_sha256: Sha256Digest,
    /// As installed; differs from upstream's only when it was stripped.
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    /// The machine in the ELF header; absent for a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<Arch>,
    /// The newest glibc symbol version it needs; absent for a static program or a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) glibc: Option<GlibcVersion>,
}

impl LockedPayload {
    /// The newest glibc that any of the members needs.
    pub(crate) fn glibc_floor(&self) -> Option<GlibcVersion> {
        self.members.iter().filter_map(|member| member.glibc).max()
    }
}

/// A lock file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, manifest: PathBuf, source: std::io::Error },
    #[error("{}: {}", path.display(), source.to_string().trim_end())]
    Syntax { path: PathBuf, manifest: PathBuf, source: Box<toml::de::Error> },
    #[error("{}: `schema` is {found}, this program reads schema {}", path.display(), Lock::SCHEMA)]
    Schema { path: PathBuf, manifest: PathBuf, found: u32 },
    #[error("{} does not fit {}: {what}", path.display(), manifest.display())]
    Stale { path: PathBuf, manifest: PathBuf, what: String },
}

impl Diagnose for LockError {
    fn hint(&self) -> Option<String> {
        let (Self::Read { manifest, .. }
        | Self::Syntax { manifest, .. }
        | Self::Schema { manifest, .. }
        | Self::Stale { manifest, .. }) = self;
        Some(format!("pin the payloads with: cargo xtask lock --manifest {}", manifest.display()))
    }
}

impl Lock {
    const SCHEMA: u32 = 1;

    const HEADER: &'static str =
        "# Written by `cargo xtask lock`. Do not edit: `dist` refuses any payload that differs from this.\n\n";

    pub(crate) fn new(changed: ReleaseTime, mut payloads: Vec<LockedPayload>) -> Self {
        payloads.sort_by(|a, b| (&a.revision, a.arch).cmp(&(&b.revision, b.arch)));
        Self { schema: Self::SCHEMA, changed, payloads }
    }

    /// Reads the lock that belongs to `manifest`.
    pub(crate) fn load(manifest: &Manifest) -> Result<Self, LockError> {
        let path = manifest.lock_path();
        let owner = || manifest.path.clone();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, owner(), &text),
            Err(source) => Err(LockError::Read { path, manifest: owner(), source }),
        }
    }

    fn parse(path: &Path, manifest: PathBuf, text: &str) -> Result<Self, LockError> {
        match toml::from_str::<Self>(text) {
            Ok(lock) if lock.schema == Self::SCHEMA => Ok(lock),
            Ok(lock) => Err(LockError::Schema { path: path.to_owned(), manifest, found: lock.schema }),
            Err(source) => Err(LockError::Syntax { path: path.to_owned(), manifest, source: Box::new(source) }),
        }
    }

    pub(crate) fn to_toml(&self) -> String {
        Self::HEADER.to_owned() + &toml::to_string(self).expect("plain data is always TOML")
    }

    /// The pin of one payload, if it was made from what the manifest says now.
    pub(crate) fn payload(
        &self,
        manifest: &Manifest,
        revision: &Revision,
        arch: Arch,
        spec: &PayloadSpec,
    ) -> Result<&LockedPayload, LockError> {
        let stale =
            |what: String| LockError::Stale { path: manifest.lock_path(), manifest: manifest.path.clone(), what };
        let locked = self
            .payloads
            .iter()
            .find(|payload| payload.revision == *revision && payload.arch == arch)
            .ok_or_else(|| stale(format!("revision `{revision}`, {arch}, is not locked")))?;
        let source = spec.source.relative_to(&manifest.path);
        if locked.source != source {
            return Err(stale(format!(
                "revision `{revision}`, {arch}: the manifest says {source}, the lock says {}",
                locked.source
            )));
        }
        if locked.stripped_by.is_some() != spec.strip {
            return Err(stale(format!("revision `{revision}`, {arch}: `strip` was changed")));
        }
        let same_members = locked.members.len() == spec.members.len()
            && locked.members.iter().all(|member| spec.members.get(&member.name) == Some(&member.path));
        if !same_members {
            return Err(stale(format!("revision `{revision}`, {arch}: `members` was changed")));
        }
        Ok(locked)
    }
}
