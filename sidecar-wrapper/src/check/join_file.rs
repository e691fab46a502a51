use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::unsupported::is_true;
use crate::launch::{AgentFlags, Environment};

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
    pub fn path(self, given: &Environment, flags: &AgentFlags) -> PathBuf {
        match self {
            Self::MeshConfig => flags.value("--meshConfig").unwrap_or("/etc/istio/config/mesh").into(),
            Self::RootCertificate => {
                let directory = match given.text("PROV_CERT") {
                    Some(directory) => directory,
                    None if given.get("PROV_CERT").is_some() => "/var/run/secrets/istio",
                    None => "/etc/certs",
                };
                Path::new(directory).join("root-cert.pem")
            }
            Self::Token => "/var/run/secrets/tokens/istio-token".into(),
        }
    }

    /// Whether nothing else takes its place.
    pub(super) fn is_needed(self, given: &Environment) -> bool {
        let own_certificates = given.text("FILE_MOUNTED_CERTS").is_some_and(is_true);
        let other_roots = ["XDS_ROOT_CA", "CA_ROOT_CA"].iter().all(|name| given.text(name).is_some());
        self != Self::RootCertificate || !(own_certificates || other_roots)
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
    pub(super) const fn istioctl_name(self) -> &'static str {
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
