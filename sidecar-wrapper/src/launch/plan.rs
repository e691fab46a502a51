use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use artifact::SidecarInfo;

use super::{
    Launch, ProcessEnvironment,
    bootstrap::Listening,
    envoy::{self, DEFAULT_DRAIN, LogLevel},
    host::Host,
};
use crate::{
    check::{Finding, Machine},
    failure,
    file::FileFault,
    root::Root,
    version::{Installed, VersionError},
};

/// What Envoy runs with unless somebody says otherwise.
const BOOTSTRAP: &str = "/usr/share/istio-sidecar/envoy.yaml";

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The directory that stands for `/`.
    pub root: Root,
    /// Envoy's configuration, if Envoy is to run alone on one that somebody wrote.
    pub bootstrap: Option<PathBuf>,
    /// This process's own variables.
    pub environment: ProcessEnvironment,
    /// How long Envoy drains when it runs alone.
    pub drain: Duration,
    /// What Envoy logs when it runs alone.
    pub log_level: LogLevel,
}

impl Request {
    /// With nothing said about Envoy.
    #[must_use]
    pub const fn new(root: Root, environment: ProcessEnvironment) -> Self {
        Self { root, bootstrap: None, environment, drain: DEFAULT_DRAIN, log_level: LogLevel::Warning }
    }
}

/// What will run.
#[derive(Debug)]
pub struct Plan {
    /// How.
    pub launch: Launch,
    /// What is installed.
    pub sidecar: SidecarInfo,
    /// What is not quite as the files say.
    pub warnings: Vec<Finding>,
}

/// Why nothing can be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// What is installed is not known.
    #[error(transparent)]
    Installed(#[from] VersionError),
    /// Envoy has no configuration.
    #[error("cannot read Envoy's bootstrap {}", path.display())]
    Bootstrap {
        /// As opened.
        path: PathBuf,
        /// Why.
        source: FileFault,
    },
    /// The sidecar could not join a mesh; at least one of these is an error.
    #[error("the sidecar cannot join a mesh: {}", failure::count(.0))]
    Findings(Vec<Finding>),
}

impl PlanError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Installed(error) => error.hint(),
            Self::Bootstrap { source, .. } if source.is_permission() => {
                Some("make it readable for the user that runs the sidecar".to_owned())
            }
            Self::Bootstrap { path, .. } if path.ends_with(BOOTSTRAP.trim_start_matches('/')) => {
                Some("the package istio-sidecar installs this file: install it again".to_owned())
            }
            Self::Bootstrap { .. } => None,
            Self::Findings(_) => {
                Some("`sidecar-wrapper check` says the same; --bootstrap FILE runs Envoy alone".to_owned())
            }
        }
    }

    /// All of it, findings first.
    pub fn write(&self, stderr: &mut dyn Write) -> io::Result<()> {
        if let Self::Findings(findings) = self {
            findings.iter().try_for_each(|finding| finding.write(stderr))?;
        }
        failure::print(self, self.hint().as_deref(), stderr)
    }
}

/// Works out what is run: Envoy if a bootstrap is given or the payload has no pilot-agent, else pilot-agent, if nothing is
/// wrong with the files that it needs. Reads files and changes nothing.
pub fn plan(request: &Request, host: &dyn Host) -> Result<Plan, PlanError> {
    let Request { root, bootstrap, environment, drain, log_level } = request;
    let root = &root.absolute();
    let Installed { sidecar, .. } = Installed::read(root)?;
    if sidecar.pilot_agent && bootstrap.is_none() {
        let report = Machine::new(root.clone(), environment.clone()).check(host);
        let valid = report.valid();
        return match report.pilot_agent {
            Some(agent) if valid => Ok(Plan { launch: agent.launch(root, host), sidecar, warnings: report.findings }),
            _ => Err(PlanError::Findings(report.findings)),
        };
    }
    let path = bootstrap.clone().unwrap_or_else(|| root.path(Path::new(BOOTSTRAP)));
    let listening = match Listening::read(&path) {
        Ok(listening) => listening,
        Err(source) => return Err(PlanError::Bootstrap { path, source }),
    };
    let launch = envoy::launch(root, path, listening, environment, host.directory(), *drain, *log_level);
    Ok(Plan { launch, sidecar, warnings: Vec::new() })
}
