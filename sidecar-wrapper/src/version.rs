//! What is installed.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use artifact::{SidecarInfo, SidecarInfoError};
use serde::Serialize;

use crate::{
    file::{self, FileFault},
    root::Root,
};

/// Far more than any payload's description.
const MAX_INFO: u64 = 1 << 20;

/// The wrapper and the sidecar package around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// This program's version.
    pub wrapper: &'static str,
    /// What the package says about itself.
    pub sidecar: SidecarInfo,
}

/// Why the installed sidecar is not known.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// Not there, or not to be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// As opened.
        path: PathBuf,
        /// Why.
        source: FileFault,
    },
    /// Not what this program knows.
    #[error("cannot use {}", path.display())]
    Content {
        /// As read.
        path: PathBuf,
        /// What is wrong with it.
        source: SidecarInfoError,
    },
}

impl VersionError {
    /// The description's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. } | Self::Content { path, .. } => path,
        }
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { source: FileFault::Missing, .. } => "the package istio-sidecar installs this file",
            Self::Content { .. } => {
                "the file and /usr/bin/sidecar-wrapper belong to the same package: install istio-sidecar again"
            }
            Self::Read { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl Installed {
    /// Reads the description that the package installed.
    pub fn read(root: &Root) -> Result<Self, VersionError> {
        let path = root.path(Path::new(SidecarInfo::FILE));
        let json = match file::read(&path, MAX_INFO) {
            Ok(json) => json,
            Err(source) => return Err(VersionError::Read { path, source }),
        };
        match SidecarInfo::from_json(&json) {
            Ok(sidecar) => Ok(Self { wrapper: env!("CARGO_PKG_VERSION"), sidecar }),
            Err(source) => Err(VersionError::Content { path, source }),
        }
    }
}

impl fmt::Display for Installed {
    /// A table, then a line for each payload file as `sha256sum --check` reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SidecarInfo { revision, istio, envoy, pilot_agent, members, .. } = &self.sidecar;
        let pilot_agent = if *pilot_agent { "included" } else { "not included" };
        for (name, value) in [
            ("revision", revision as &dyn fmt::Display),
            ("istio", istio),
            ("envoy", envoy),
            ("pilot-agent", &pilot_agent),
            ("sidecar-wrapper", &self.wrapper),
        ] {
            writeln!(f, "{name:<17}{value}")?;
        }
        members.iter().try_for_each(|member| f.write_str(&member.sha256.checksum_line(&member.path)))
    }
}
