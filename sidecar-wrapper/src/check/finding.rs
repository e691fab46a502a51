use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{JoinFile, Unsupported, report::visible};
use crate::{
    env_file::{Position, SyntaxError},
    failure,
    file::FileFault,
    launch::{AgentFlags, NoAddress, ProxyConfigError},
    settings::EnvFile,
    version::VersionError,
};

/// Whether the sidecar could start all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It could not.
    Error,
    /// It could, but not quite as the files say.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Where something stands that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this process's environment.
    Environment,
    /// In a file, from some position on if that is known.
    File {
        /// As read.
        path: PathBuf,
        /// In it.
        position: Option<Position>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File { path, position: Some(position) } => write!(f, "{}:{position}", path.display()),
            Self::File { path, position: None } => path.display().fmt(f),
        }
    }
}

/// A problem of a machine.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// The file that names the mesh is not there.
    #[error("{}: there is no cluster.env", path.display())]
    NoClusterEnv {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The environment names a file that is not there.
    #[error("{}: no such file, but {} names it", path.display(), file.path_variable())]
    NoSuchEnvFile {
        /// Where it was looked for.
        path: PathBuf,
        /// Which one.
        file: EnvFile,
    },
    /// Settings that cannot be read.
    #[error("{}: {file} cannot be read", path.display())]
    EnvFile {
        /// As opened.
        path: PathBuf,
        /// Which one.
        file: EnvFile,
        /// Why.
        source: FileFault,
    },
    /// A mistake in one of them.
    #[error("{}:{error}", path.display())]
    Syntax {
        /// As read.
        path: PathBuf,
        /// What is wrong, and where.
        error: SyntaxError,
    },
    /// See [`Unsupported`].
    #[error("{place}: {}='{value}' {unsupported}", unsupported.name())]
    Unsupported {
        /// Which one.
        unsupported: Unsupported,
        /// What sets it.
        place: Place,
        /// What it is set to.
        value: String,
    },
    /// Nothing is there.
    #[error("{}: there is no {file}", path.display())]
    NotThere {
        /// Which one.
        file: JoinFile,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something is there.
    #[error("{}: the {file} cannot be read", path.display())]
    Unreadable {
        /// Which one.
        file: JoinFile,
        /// As opened.
        path: PathBuf,
        /// Why.
        source: FileFault,
    },
    /// Flags that no shell could split either.
    #[error("{place}: {} has a quote that is never closed, or ends after a backslash", AgentFlags::VARIABLE)]
    AgentFlags {
        /// What sets them.
        place: Place,
    },
    /// A configuration that pilot-agent would end at.
    #[error("{place}: {name} is malformed")]
    ProxyConfig {
        /// Where it is wrong, or what sets it.
        place: Place,
        /// What it is called.
        name: &'static str,
        /// What is wrong.
        source: ProxyConfigError,
    },
    /// pilot-agent would take another one, and say nothing.
    #[error("{place}: {name}='{value}' is no IP address")]
    NotAnAddress {
        /// What sets it.
        place: Place,
        /// The variable.
        name: &'static str,
        /// What it is set to.
        value: String,
    },
    /// None is set, and the machine has none.
    #[error(transparent)]
    NoAddress(#[from] NoAddress),
    /// The package is damaged.
    #[error("{}: the sidecar's description cannot be used", .0.path().display())]
    Installed(#[source] VersionError),
    /// No certificate, no token.
    #[error("{}: the file holds no {file}", path.display())]
    WrongContent {
        /// Which one.
        file: JoinFile,
        /// As read.
        path: PathBuf,
    },
}

impl Finding {
    /// A missing token is no error: pilot-agent then shows the certificate that it has.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Unsupported { .. } | Self::NotAnAddress { .. } | Self::NotThere { file: JoinFile::Token, .. } => {
                Severity::Warning
            }
            _ => Severity::Error,
        }
    }

    /// The file, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NoClusterEnv { path }
            | Self::NoSuchEnvFile { path, .. }
            | Self::EnvFile { path, .. }
            | Self::Syntax { path, .. }
            | Self::NotThere { path, .. }
            | Self::Unreadable { path, .. }
            | Self::WrongContent { path, .. } => Some(path),
            Self::Unsupported { place, .. }
            | Self::AgentFlags { place }
            | Self::ProxyConfig { place, .. }
            | Self::NotAnAddress { place, .. } => match place {
                Place::Environment => None,
                Place::File { path, .. } => Some(path),
            },
            Self::NoAddress(_) => None,
            Self::Installed(error) => Some(error.path()),
        }
    }

    /// The place in the file, where it has one.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { error, .. } => Some(error.position),
            Self::Unsupported { place: Place::File { position, .. }, .. }
            | Self::AgentFlags { place: Place::File { position, .. } }
            | Self::ProxyConfig { place: Place::File { position, .. }, .. }
            | Self::NotAnAddress { place: Place::File { position, .. }, .. } => *position,
            _ => None,
        }
    }

    /// Writes all of it as lines.
    pub fn write(&self, stderr: &mut dyn Write) -> io::Result<()> {
        writeln!(stderr, "{}: {}", self.severity(), visible(&self.to_string()))?;
        failure::print_rest(self, self.hint().as_deref(), stderr)
    }

    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoClusterEnv { .. } => {
                Some("`istioctl x workload entry configure` makes it: copy it to this path".to_owned())
            }
            Self::NoSuchEnvFile { file, .. } => Some(format!("make the file, or unset {}", file.path_variable())),
            Self::Syntax { error, .. } => error.fault.hint(),
            Self::Unsupported { unsupported, .. } => Some(unsupported.reason().to_owned()),
            Self::AgentFlags { .. } => {
                Some("quote its words as in a shell, within the quotes of the whole value".to_owned())
            }
            Self::ProxyConfig { source: ProxyConfigError::Yaml(_), .. } => {
                Some("check the indentation and the quotes at this place; tabs cannot indent YAML".to_owned())
            }
            Self::ProxyConfig { .. } => None,
            Self::NotAnAddress { name, .. } => {
                Some(format!("write the address of this machine itself, or leave {name} out"))
            }
            Self::NoAddress(_) => Some(format!("set ISTIO_SVC_IP in {}", EnvFile::Sidecar.default_path())),
            Self::Installed(error) => error.hint(),
            Self::NotThere { file: JoinFile::Token, .. } => Some(
                "the sidecar can join without a token only while it holds a valid certificate; \
                 `istioctl x workload entry configure` makes istio-token"
                    .to_owned(),
            ),
            Self::NotThere { file, .. } | Self::WrongContent { file, .. } => Some(format!(
                "`istioctl x workload entry configure` makes {}: copy it to this path",
                file.istioctl_name()
            )),
            Self::EnvFile { source, .. } | Self::Unreadable { source, .. } => {
                source.is_permission().then(|| "run the check as the sidecar's user or as root".to_owned())
            }
        }
    }
}
