//! Becomes Envoy.

use std::{
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    root::Root,
    version::{Installed, VersionError},
};

/// Where the package has it.
const ENVOY: &str = "/usr/local/bin/envoy";
/// What it runs with unless somebody says otherwise.
const BOOTSTRAP: &str = "/usr/share/istio-sidecar/envoy.yaml";

/// How `run` ends when there is no Envoy to become: `EX_CONFIG` of sysexits.h, which Envoy does not use, so that systemd can tell.
pub const CANNOT_RUN: u8 = 78;

/// Why Envoy does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What is installed is not known.
    #[error(transparent)]
    Installed(#[from] VersionError),
    /// The payload is one that is started in another way.
    #[error("the sidecar of revision {revision} has a pilot-agent, and running it is not part of this version")]
    PilotAgent {
        /// As the package says.
        revision: String,
    },
    /// The program cannot be started.
    #[error("cannot run {}", program.display())]
    Exec {
        /// Envoy.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RunError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Installed(error) => error.hint(),
            Self::PilotAgent { .. } => Some("--bootstrap FILE runs its Envoy alone".to_owned()),
            Self::Exec { .. } => Some("the package istio-sidecar installs this file: install it again".to_owned()),
        }
    }
}

/// Puts Envoy in the place of this program, and returns only if that fails.
#[must_use]
pub fn run(root: &Root, bootstrap: Option<PathBuf>) -> RunError {
    let installed = match Installed::read(root) {
        Ok(installed) => installed,
        Err(error) => return error.into(),
    };
    if installed.sidecar.pilot_agent && bootstrap.is_none() {
        return RunError::PilotAgent { revision: installed.sidecar.revision.to_string() };
    }
    let program = root.path(Path::new(ENVOY));
    let bootstrap = bootstrap.unwrap_or_else(|| root.path(Path::new(BOOTSTRAP)));
    // Hot restarts would need shared memory that a second sidecar could meet.
    let source = Command::new(&program).arg("--config-path").arg(bootstrap).arg("--disable-hot-restart").exec();
    RunError::Exec { program, source }
}
