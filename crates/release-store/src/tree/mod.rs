//! Whether a tree holds exactly what its manifest says.

mod fault;
mod file;
mod listing;
mod packages;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use artifact::{Artifact, InstallPath, ManifestError, ReleaseManifest};

pub use fault::{Fault, FaultKind, Found};
use listing::Listing;

/// Tens of thousands of packages. It bounds memory.
const MAX_MANIFEST: u64 = 64 << 20;

/// Why a tree cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is nothing to verify against.
    #[error("cannot read {}", path.display())]
    ReadManifest {
        /// As opened.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No manifest is that large.
    #[error("{} has more than {MAX_MANIFEST} bytes", path.display())]
    LargeManifest {
        /// As read.
        path: PathBuf,
    },
    /// Not what this program knows.
    #[error("cannot use {}", path.display())]
    Manifest {
        /// As read.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
}

impl TreeError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::ReadManifest { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "was this tree made by `cargo xtask dist`?"
            }
            Self::Manifest { source: ManifestError::Schema { .. }, .. } => {
                "use the repo-server of the version that made the tree"
            }
            Self::Manifest { source: ManifestError::Malformed(_), .. } => "copy the tree again, or make it again",
            Self::ReadManifest { .. } | Self::LargeManifest { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// What a verification found.
#[derive(Debug)]
pub struct Report {
    /// How many packages the manifest lists.
    pub packages: usize,
    /// All that is wrong, ordered by path.
    pub faults: Vec<Fault>,
}

/// Compares all below `dir`/install with `dir`/manifest.json. Packages are streamed, so memory does not grow with their
/// size. Symbolic links are never followed: a tree has none, and one could lead out of it.
pub fn verify(dir: &Path) -> Result<Report, TreeError> {
    let mut survey = Survey::of(dir)?;
    let bad: BTreeSet<_> = survey.faults.iter().map(|fault| fault.path.clone()).collect();
    let sound: Vec<_> =
        survey.consistent.iter().filter(|artifact| !bad.contains(Path::new(&artifact.path.relative()))).collect();
    survey.faults.extend(packages::check(dir, &sound));
    survey.faults.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Report { packages: survey.manifest.artifacts.len(), faults: survey.faults })
}

/// A tree before the contents of its packages are looked at.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) manifest: ReleaseManifest,
    /// All that is wrong so far.
    pub(crate) faults: Vec<Fault>,
    /// The entries that say one thing about one package.
    consistent: Vec<Artifact>,
}

impl Survey {
    pub(crate) fn of(dir: &Path) -> Result<Self, TreeError> {
        let manifest = read_manifest(dir)?;
        let mut faults = Vec::new();
        let consistent = consistent(&manifest, &mut faults);
        let mut listing = Listing::read(dir);
        // Every listed path, even if its entry is bad, is expected to be there.
        let packages = manifest.artifacts.iter().map(|artifact| artifact.path.package());
        let expected: BTreeSet<_> = packages
            .flat_map(|package| [InstallPath::Package(package.clone()), InstallPath::Checksum(package.clone())])
            .map(|path| PathBuf::from(path.relative()))
            .collect();
        faults.append(&mut listing.faults);
        faults.extend(listing.unexpected(&expected));
        faults.extend(consistent.iter().flat_map(|artifact| packages::check_outside(dir, &listing, artifact)));
        Ok(Self { manifest, faults, consistent })
    }
}

fn read_manifest(dir: &Path) -> Result<ReleaseManifest, TreeError> {
    let path = dir.join(ReleaseManifest::FILE_NAME);
    let json = match file::read(&path, MAX_MANIFEST) {
        Ok(Some(json)) => json,
        Ok(None) => return Err(TreeError::LargeManifest { path }),
        Err(source) => return Err(TreeError::ReadManifest { path, source }),
    };
    ReleaseManifest::from_json(&json).map_err(|source| TreeError::Manifest { path, source })
}

/// The entries that say one thing about one package.
fn consistent(manifest: &ReleaseManifest, faults: &mut Vec<Fault>) -> Vec<Artifact> {
    let mut seen = BTreeSet::new();
    manifest
        .artifacts
        .iter()
        .filter(|artifact| {
            let package = artifact.path.package();
            let kind = if matches!(artifact.path, InstallPath::Checksum(_)) {
                FaultKind::NotAPackage
            } else if !seen.insert(&artifact.path) {
                FaultKind::ListedTwice
            } else if (artifact.component, artifact.arch, artifact.format)
                != (package.slot.component(), package.arch, package.format)
            {
                FaultKind::Contradiction
            } else {
                return true;
            };
            faults.push(Fault { path: artifact.path.relative().into(), kind });
            false
        })
        .cloned()
        .collect()
}
