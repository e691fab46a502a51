use std::{fmt, path::PathBuf};

use artifact::{InstallPath, Sha256Digest};

use crate::{
    GenerationError, GenerationNumber, ProbeError, ReadError, StoreError, StoreUrl, ValidateError,
    tree::{Fault, TreeError},
};

/// Nothing was committed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no tree, or not one of this version.
    #[error(transparent)]
    NoTree(#[from] TreeError),
    /// The tree is not what its manifest says.
    #[error("{} is not what its manifest says: {}", dir.display(), Faults(faults))]
    Tree {
        /// As asked for.
        dir: PathBuf,
        /// All that is wrong, ordered by path.
        faults: Vec<Fault>,
    },
    /// The manifest contradicts itself.
    #[error("cannot use {}/manifest.json", dir.display())]
    Manifest {
        /// As asked for.
        dir: PathBuf,
        /// How.
        source: GenerationError,
    },
    /// Published versions would change their content.
    #[error("{} would change what was published under the same version: {}", count(conflicts.len(), "package"), first(conflicts))]
    Conflict {
        /// All of them, ordered by path.
        conflicts: Vec<Conflict>,
    },
    /// The store cannot be written to safely.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A kept generation that this one has to be compared with.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No generation was created, or it is unknown whether one was.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The content of a rollback.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// Committed, but blobs vanish as soon as they are there.
    #[error("generation {number} of {store} is committed, but its blobs vanish again and again")]
    KeepsLosing {
        /// Where.
        store: StoreUrl,
        /// Which one.
        number: GenerationNumber,
    },
}

/// No generation was created, or it is unknown whether one was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The last attempt's error.
    #[error("cannot tell whether generation {number} of {store} was created")]
    Unknown {
        /// Where.
        store: StoreUrl,
        /// The one that was to be created.
        number: GenerationNumber,
        /// What the store said last.
        source: StoreError,
    },
    /// Others were always faster.
    #[error("other publishers created {attempts} generations of {store} in the meantime")]
    LostRaces {
        /// Where.
        store: StoreUrl,
        /// How often it was tried.
        attempts: usize,
    },
}

impl PublishError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTree(error) => error.hint(),
            Self::Tree { .. } | Self::Manifest { .. } => Some("make the tree again with `cargo xtask dist`".to_owned()),
            Self::Conflict { .. } => Some(
                "publish them under another version, or add --force if machines that have the old bytes may keep them"
                    .to_owned(),
            ),
            Self::Probe(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Read(error) => error.hint(),
            Self::Validate(error) => error.hint(),
            Self::Commit(CommitError::Unknown { source, .. }) => Some(match source.hint() {
                Some(hint) => format!("publishing again is harmless; {hint}"),
                None => "publishing again is harmless".to_owned(),
            }),
            Self::Commit(CommitError::LostRaces { .. }) => Some("publish again when the others are done".to_owned()),
            Self::KeepsLosing { store, .. } => {
                Some(format!("stop what deletes objects of {store}, then publish again"))
            }
        }
    }
}

/// One version with two contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where the tree has it.
    pub path: InstallPath,
    /// `[epoch:]version-release`
    pub version: String,
    /// The tree's.
    pub ours: Sha256Digest,
    /// The published one's.
    pub theirs: Sha256Digest,
    /// The generation that has it.
    pub generation: GenerationNumber,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, version, ours, theirs, generation } = self;
        write!(f, "{path} {version} is {theirs} in generation {generation} and {ours} in the tree")
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn first(conflicts: &[Conflict]) -> String {
    conflicts.first().map(ToString::to_string).unwrap_or_default()
}

/// The first few faults in one line.
struct Faults<'a>(&'a [Fault]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        for (index, fault) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
