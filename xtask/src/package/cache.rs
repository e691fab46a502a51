//! Finished packages are kept by the digest of everything that goes into them.

use std::{collections::BTreeMap, path::Path};

use artifact::{Arch, Component, Sha256Digest};
use fs_err as fs;
use payload_splice::{Level, Written};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{PackageError, RevisionPayload};
use crate::{
    failure::{FileContext, FileError},
    payload::hash_file,
    plan::Target,
    stamp::Stamp,
    workspace::Workspace,
};

/// What every package of a dist depends on.
#[derive(Debug, Clone)]
pub(crate) struct SharedInputs {
    pub(super) level: Level,
    /// This program, since its code decides what a package looks like.
    xtask: Sha256Digest,
    /// Metadata, licence and all files that packages take from the tree.
    files: Sha256Digest,
    programs: BTreeMap<(Component, Arch), Sha256Digest>,
}

impl SharedInputs {
    /// Hashes what stands in the tree and what was built for `arches`.
    pub(crate) fn read(
        workspace: &Workspace,
        level: Level,
        components: &[Component],
        arches: &[Arch],
    ) -> Result<Self, FileError> {
        let digest = |path: &Path| hash_file(path).while_("hash an input of the packages").map(|(_, digest)| digest);
        let exe = std::env::current_exe().while_("find this program")?;
        let mut programs = BTreeMap::new();
        for &component in components {
            for &arch in arches {
                programs.insert((component, arch), digest(&workspace.program(component, arch))?);
            }
        }
        let mut files = vec![workspace.cargo_toml(), workspace.license()];
        files.extend(Component::ALL.map(|component| workspace.component_cargo_toml(component)));
        for component in Component::ALL {
            list(&workspace.component_files(component), &mut files).while_("list the packaging files")?;
        }
        files.sort();
        let mut hasher = Sha256::new();
        for file in files {
            hasher.update(file.strip_prefix(workspace.root()).unwrap_or(&file).as_os_str().as_encoded_bytes());
            hasher.update([0]);
            hasher.update(digest(&file)?.as_bytes());
        }
        Ok(Self { level, xtask: digest(&exe)?, files: Sha256Digest::from_hasher(hasher), programs })
    }

    /// The digest of our own program in packages of this target.
    pub(crate) fn program(&self, target: &Target) -> Sha256Digest {
        self.programs[&(target.component, target.arch)]
    }

    /// The name that a target's package has in the cache.
    pub(super) fn key(&self, target: &Target, stamp: &Stamp, payload: Option<&RevisionPayload>) -> Sha256Digest {
        let key = json!({
            "target": target.to_string(),
            "version": stamp.version.debian(),
            "time": stamp.time.unix(),
            "level": self.level.to_string(),
            "xtask": self.xtask,
            "files": self.files,
            "program": self.program(target),
            "info": payload.map(|payload| &payload.info),
            "glibc": payload.map(|payload| &payload.glibc_floor),
        });
        Sha256Digest::of(key.to_string().as_bytes())
    }
}

fn list(dir: &Path, files: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Where the digest stands that a cached package had when it was verified.
fn digest_path(package: &Path) -> std::path::PathBuf {
    package.with_extension("sha256")
}

/// Size and digest of a cached package, if it is there and still what was verified.
pub(super) fn intact(package: &Path) -> Option<(u64, Sha256Digest)> {
    let recorded: Sha256Digest = std::fs::read_to_string(digest_path(package)).ok()?.parse().ok()?;
    let (size, found) = hash_file(package).ok()?;
    (found == recorded).then_some((size, found))
}

/// Moves a verified package into the cache.
pub(super) fn keep(
    file: tempfile::NamedTempFile,
    package: &Path,
    written: Written,
) -> Result<(u64, Sha256Digest), PackageError> {
    file.as_file().sync_all().while_("write a package")?;
    // Packages are linked into the dist tree, where everybody may read them.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).while_("set a package's mode")?;
    file.persist(package).map_err(|error| error.error).while_("keep a package in the cache")?;
    fs::write(digest_path(package), written.sha256.to_string()).while_("keep a package's digest")?;
    Ok((written.size, written.sha256))
}
