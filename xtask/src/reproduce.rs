//! `dist --verify-reproducible`: makes the tree a second time in another checkout, on one thread and from nothing.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use artifact::Sha256Digest;
use fs_err as fs;

use crate::{
    command::Cmd,
    dist::{self, Options, Report},
    failure::{Diagnose, Fault, FileContext, Outcome},
    payload::hash_file,
    ui::Ui,
    workspace::{Cache, Workspace},
};

/// The trees cannot be compared, or differ.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReproduceError {
    #[error("the work tree has uncommitted changes, which a second checkout would not have")]
    Dirty,
    #[error("{} of {total} files differ from those of the second checkout: {}", differing.len(), differing.join(", "))]
    Differs { differing: Vec<String>, total: usize, kept: PathBuf },
}

impl Diagnose for ReproduceError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Dirty => "commit first".to_owned(),
            Self::Differs { kept, .. } => format!("the second tree is kept in {}", kept.display()),
        })
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Dirty => Fault::User,
            Self::Differs { .. } => Fault::Ours,
        }
    }
}

/// Compares `first` with a tree made from a clone; gives the number of files that are the same.
pub(crate) fn verify(
    workspace: &Workspace,
    cache: &Cache,
    options: &Options,
    first: &Report,
    ui: &Ui,
) -> Outcome<usize> {
    if first.manifest.source.dirty {
        return Err(ReproduceError::Dirty.into());
    }
    ui.phase("reproduce in a second checkout");
    let dir = tempfile::Builder::new().prefix("slipway-second-checkout-").tempdir().while_("make a second checkout")?;
    let clone = dir.path().join("checkout");
    Cmd::new("git").args(["clone", "--quiet"]).arg(workspace.root()).arg(&clone).run()?;
    let second = Options {
        // A manifest of the checkout is taken from the clone; any other stands where it is.
        manifest: options
            .manifest
            .strip_prefix(workspace.root())
            .map_or_else(|_| options.manifest.clone(), |relative| clone.join(relative)),
        out: dir.path().join("dist"),
        jobs: NonZeroUsize::MIN,
        setup: false,
        ..options.clone()
    };
    let fresh = cache.with_derived(dir.path().join("derived"));
    let second = dist::run(&Workspace::at(clone), &fresh, &second, ui)?;

    let (a, b) = (digests(&first.out)?, digests(&second.out)?);
    let mut paths: Vec<&String> = a.keys().chain(b.keys()).collect();
    paths.sort();
    paths.dedup();
    let differing: Vec<String> =
        paths.iter().filter(|path| a.get(**path) != b.get(**path)).map(ToString::to_string).collect();
    if differing.is_empty() {
        return Ok(paths.len());
    }
    let total = paths.len();
    Err(ReproduceError::Differs { differing, total, kept: dir.keep().join("dist") }.into())
}

/// The digest of every file below `root`, by its path there.
fn digests(root: &Path) -> Outcome<BTreeMap<String, Sha256Digest>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).while_("list a dist tree")? {
            let path = entry.while_("list a dist tree")?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let (_, digest) = hash_file(&path).while_("read a dist tree")?;
                found.insert(path.strip_prefix(root).unwrap_or(&path).display().to_string(), digest);
            }
        }
    }
    Ok(found)
}
