use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    env_file::{Position, SyntaxError},
    file::FileFault,
    settings::{EnvFile, Setting, Settings},
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

/// A file that joining the mesh needs, besides the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinFile {
    /// The mesh configuration. It may be empty: settings can say the same.
    MeshConfig,
    /// The certificates that istiod is trusted by.
    RootCertificate,
    /// The token that the first certificate is requested with.
    Token,
}

impl JoinFile {
    /// All, in the order they are reported in.
    pub const ALL: [Self; 3] = [Self::MeshConfig, Self::RootCertificate, Self::Token];

    /// Where pilot-agent looks for it on the VM.
    #[must_use]
    pub fn path(self, settings: &Settings) -> PathBuf {
        match self {
            Self::MeshConfig => "/etc/istio/config/mesh".into(),
            Self::RootCertificate => {
                let certificates = settings.non_empty("PROV_CERT").map_or("/etc/certs", |setting| &setting.value);
                Path::new(certificates).join("root-cert.pem")
            }
            Self::Token => "/var/run/secrets/tokens/istio-token".into(),
        }
    }

    pub(super) fn accepts(self, content: &[u8]) -> bool {
        const PEM_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
        match self {
            Self::MeshConfig => true,
            Self::RootCertificate => content.windows(PEM_CERTIFICATE.len()).any(|window| window == PEM_CERTIFICATE),
            Self::Token => !content.trim_ascii().is_empty(),
        }
    }

    /// As `istioctl x workload entry configure` calls it.
    const fn istioctl_name(self) -> &'static str {
        match self {
            Self::MeshConfig => "mesh.yaml",
            Self::RootCertificate => "root-cert.pem",
            Self::Token => "istio-token",
        }
    }
}

impl fmt::Display for JoinFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MeshConfig => "mesh configuration",
            Self::RootCertificate => "root certificate",
            Self::Token => "istio token",
        })
    }
}

/// A setting that is well formed but not for a sidecar without traffic interception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// `ISTIO_META_DNS_CAPTURE`, which `istioctl` turns on by default.
    DnsCapture,
    /// `ISTIO_META_INTERCEPTION_MODE` other than `NONE`.
    InterceptionMode,
    /// `ISTIO_INBOUND_INTERCEPTION_MODE`, when it is `TPROXY`.
    InboundTproxy,
}

impl Unsupported {
    /// All, in the order they are reported in.
    pub const ALL: [Self; 3] = [Self::DnsCapture, Self::InterceptionMode, Self::InboundTproxy];

    /// The variable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DnsCapture => "ISTIO_META_DNS_CAPTURE",
            Self::InterceptionMode => "ISTIO_META_INTERCEPTION_MODE",
            Self::InboundTproxy => "ISTIO_INBOUND_INTERCEPTION_MODE",
        }
    }

    /// The setting, if its value is one that is not supported.
    pub(super) fn setting(self, settings: &Settings) -> Option<&Setting> {
        settings.non_empty(self.name()).filter(|Setting { value, .. }| match self {
            // What Go's strconv.ParseBool takes for true.
            Self::DnsCapture => ["1", "t", "T", "TRUE", "true", "True"].contains(&value.as_str()),
            Self::InterceptionMode => value != "NONE",
            Self::InboundTproxy => value == "TPROXY",
        })
    }

    const fn outcome(self) -> &'static str {
        match self {
            Self::DnsCapture => "will be forced off",
            Self::InterceptionMode => "will be forced to `NONE`",
            Self::InboundTproxy => "will be ignored",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::DnsCapture => {
                "nothing redirects DNS queries to this sidecar; `istioctl x workload entry configure --capture-dns=false` \
                 leaves it out"
            }
            Self::InterceptionMode | Self::InboundTproxy => {
                "this sidecar intercepts no traffic: name its listeners in a `Sidecar` resource"
            }
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
    #[error("{}:{position}: {}='{value}' is not supported and {}", path.display(), unsupported.name(), unsupported.outcome())]
    Unsupported {
        /// Which one.
        unsupported: Unsupported,
        /// The file that sets it.
        path: PathBuf,
        /// The place in it.
        position: Position,
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
            Self::Unsupported { .. } | Self::NotThere { file: JoinFile::Token, .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::NoClusterEnv { path }
            | Self::NoSuchEnvFile { path, .. }
            | Self::EnvFile { path, .. }
            | Self::Syntax { path, .. }
            | Self::Unsupported { path, .. }
            | Self::NotThere { path, .. }
            | Self::Unreadable { path, .. }
            | Self::WrongContent { path, .. } => path,
        }
    }

    /// The place in the file, where it has one.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { error, .. } => Some(error.position),
            Self::Unsupported { position, .. } => Some(*position),
            _ => None,
        }
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
