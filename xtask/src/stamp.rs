//! What a release is built from, and the time and version that follow from it.

use artifact::{CommitId, PackageVersion, ReleaseTime, Source, UpstreamVersion};

use crate::{command::Cmd, failure::Diagnose, workspace::Workspace};

/// Commit, time and version of a dist.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) source: Source,
    pub(crate) time: ReleaseTime,
    pub(crate) version: PackageVersion,
}

/// The source tree does not say when it was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StampError {
    #[error("{} is no git checkout with a commit, and SOURCE_DATE_EPOCH is not set", root.display())]
    NoCommit { root: std::path::PathBuf },
    #[error("SOURCE_DATE_EPOCH is `{value}`, expected seconds since 1970, at most 4294967295")]
    Epoch { value: String },
}

impl Diagnose for StampError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoCommit { .. } => Some(
                "versions and file times come from the commit; or: export SOURCE_DATE_EPOCH=$(date +%s)".to_owned(),
            ),
            Self::Epoch { .. } => None,
        }
    }
}

impl Stamp {
    /// Asks git, unless `SOURCE_DATE_EPOCH` (reproducible-builds.org) says the time. The release is at least as late as
    /// `payloads_changed`, so that a new payload gives a higher version without a commit.
    pub(crate) fn read(workspace: &Workspace, payloads_changed: ReleaseTime) -> Result<Self, StampError> {
        let git = |args: &[&str]| Cmd::new("git").arg("-C").arg(workspace.root()).args(args).text().ok();
        let commit = git(&["rev-parse", "--verify", "HEAD"]).and_then(|id| id.parse::<CommitId>().ok());
        let dirty = git(&["status", "--porcelain"]).is_none_or(|status| !status.is_empty());
        let time = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(value) => value.trim().parse().map_err(|_| StampError::Epoch { value })?,
            Err(_) => git(&["log", "-1", "--format=%ct"])
                .and_then(|seconds| seconds.parse().ok())
                .ok_or_else(|| StampError::NoCommit { root: workspace.root().to_owned() })?,
        };
        Ok(Self::new(Source { commit, dirty }, ReleaseTime::from_unix(time).max(payloads_changed)))
    }

    pub(crate) fn new(source: Source, time: ReleaseTime) -> Self {
        let product: UpstreamVersion = env!("CARGO_PKG_VERSION").parse().expect("cargo accepts semantic versions only");
        let version = PackageVersion::new(&product, time, source.dirty);
        Self { source, time, version }
    }
}
