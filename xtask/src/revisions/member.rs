use std::fmt;

use serde::{Deserialize, Serialize};

/// The files of Istio that a sidecar package carries. They belong together: each Envoy has its pilot-agent and template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MemberKind {
    Envoy,
    PilotAgent,
    BootstrapTemplate,
}

impl MemberKind {
    /// Where the VM has it. Users run `setcap` on the programs at these paths; the template belongs to its Envoy, so it is
    /// no configuration file.
    pub(crate) const fn install_path(self) -> &'static str {
        match self {
            Self::Envoy => "/usr/local/bin/envoy",
            Self::PilotAgent => "/usr/local/bin/pilot-agent",
            Self::BootstrapTemplate => "/usr/share/istio-sidecar/envoy_bootstrap_tmpl.json",
        }
    }

    /// The permission bits of the installed file.
    pub(crate) const fn mode(self) -> u32 {
        if self.is_program() { 0o755 } else { 0o644 }
    }

    /// Whether it must be an ELF program for the package's architecture.
    pub(crate) const fn is_program(self) -> bool {
        matches!(self, Self::Envoy | Self::PilotAgent)
    }

    /// The name in `revisions.toml`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::PilotAgent => "pilot-agent",
            Self::BootstrapTemplate => "bootstrap-template",
        }
    }
}

impl fmt::Display for MemberKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
