//! The dist tree: written beside the last good one and swapped in whole.

use std::{
    fs::{File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use artifact::{Artifact, InstallPath, ReleaseManifest};
use fs_err as fs;

use crate::{
    failure::{Diagnose, FileContext, FileError},
    package::Finished,
};

/// The right to replace a dist tree. One process at a time has it.
#[derive(Debug)]
pub(crate) struct DistLock {
    out: PathBuf,
    _file: File,
}

/// The dist tree cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("another run is writing {}", out.display())]
    Busy { out: PathBuf },
    #[error("{} is there and is no dist tree: it has no {} of a release", out.display(), ReleaseManifest::FILE_NAME)]
    Foreign { out: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnose for TreeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Busy { .. } => Some("wait for it, or write elsewhere with --out".to_owned()),
            Self::Foreign { .. } => Some("it would be deleted: name another folder with --out".to_owned()),
            Self::File(error) => error.hint(),
        }
    }
}

impl DistLock {
    /// Takes the lock, and removes what interrupted runs left beside `out`.
    pub(crate) fn take(out: &Path) -> Result<Self, TreeError> {
        // Behind a link: what the link points to is what is served.
        let out = match fs::canonicalize(out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(out),
            found => found,
        }
        .while_("find the output folder")?;
        if is_foreign(&out)? {
            return Err(TreeError::Foreign { out });
        }
        let parent = out.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).while_("make the output folder")?;
        let file = File::create(beside(&out, "lock")).while_("lock the output folder")?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TreeError::Busy { out }),
            Err(TryLockError::Error(error)) => return Err(FileError::new("lock the output folder", error).into()),
        }
        let lock = Self { out, _file: file };
        lock.clean()?;
        Ok(lock)
    }

    pub(crate) fn out(&self) -> &Path {
        &self.out
    }

    fn new_tree(&self) -> PathBuf {
        beside(&self.out, "new")
    }

    fn clean(&self) -> Result<(), FileError> {
        let new = self.new_tree();
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).while_("remove what an interrupted run left")
            }
            _ => Ok(()),
        }
    }

    /// Writes the tree of `packages` and swaps it in. On failure the old tree stands as it was.
    pub(crate) fn replace(
        &self,
        manifest: &ReleaseManifest,
        packages: &[(InstallPath, &Finished)],
    ) -> Result<(), FileError> {
        let new = self.new_tree();
        let written = write(&new, manifest, packages);
        if written.is_err() {
            // The error that matters is the first one.
            let _ = self.clean();
        }
        written?;
        if self.out.exists() {
            rustix::fs::renameat_with(
                rustix::fs::CWD,
                &new,
                rustix::fs::CWD,
                &self.out,
                rustix::fs::RenameFlags::EXCHANGE,
            )
            .map_err(io::Error::from)
            .while_("swap the dist tree in")?;
        } else {
            fs::rename(&new, &self.out).while_("move the dist tree into place")?;
        }
        let parent = self.out.parent().unwrap_or(Path::new("/"));
        File::open(parent).and_then(|dir| dir.sync_all()).while_("sync the output folder")?;
        self.clean()
    }
}

/// Whether anything but a dist tree or an empty folder stands at `out`. Trees of other schemas are dist trees, too.
fn is_foreign(out: &Path) -> Result<bool, FileError> {
    let mut entries = match fs::read_dir(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(true),
        entries => entries.while_("look into the output folder")?,
    };
    let manifest = || serde_json::from_slice(&std::fs::read(out.join(ReleaseManifest::FILE_NAME)).ok()?).ok();
    let is_release = |manifest: serde_json::Value| manifest["schema"].is_number() && manifest["artifacts"].is_array();
    Ok(entries.next().is_some() && !manifest().is_some_and(is_release))
}

/// A hidden sibling of the tree, on the same file system.
fn beside(out: &Path, suffix: &str) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!(".{name}.{suffix}"))
}

fn write(root: &Path, manifest: &ReleaseManifest, packages: &[(InstallPath, &Finished)]) -> Result<(), FileError> {
    for (install_path, package) in packages {
        let path = root.join(install_path.relative());
        let dir = path.parent().expect("install paths have a folder");
        fs::create_dir_all(dir).while_("make a folder of the dist tree")?;
        // Packages are immutable files of the cache; a link saves writing 30 MB for each.
        if fs::hard_link(&package.path, &path).is_err() {
            fs::copy(&package.path, &path).while_("copy a package into the dist tree")?;
            File::open(&path).and_then(|file| file.sync_all()).while_("sync a package")?;
        }
        let checksum = InstallPath::Checksum(install_path.package().clone());
        let line = package.sha256.checksum_line(&install_path.file_name());
        put(&root.join(checksum.relative()), &line).while_("write a checksum file")?;
    }
    put(&root.join(ReleaseManifest::FILE_NAME), &manifest.to_json()).while_("write the release manifest")
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The manifest's entry of a package at one of its install paths.
pub(crate) fn artifact(path: &InstallPath, package: &Finished) -> Artifact {
    Artifact {
        path: path.clone(),
        size: package.size,
        sha256: package.sha256,
        component: package.target.component,
        version: package.version.clone(),
        arch: package.target.arch,
        format: package.target.format,
        revision: package.target.revision.clone(),
        payload: package.info.as_ref().map(|info| artifact::Payload {
            istio: info.istio.clone(),
            envoy: info.envoy.clone(),
            pilot_agent: info.pilot_agent,
            members: info.members.clone(),
        }),
    }
}
