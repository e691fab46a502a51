use std::fmt;

use crate::launch::Environment;

/// A setting that is well formed but not for a sidecar without traffic interception, or not for this package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// `ISTIO_META_DNS_CAPTURE`, which `istioctl` turns on by default.
    DnsCapture,
    /// `ISTIO_META_INTERCEPTION_MODE` other than `NONE`.
    InterceptionMode,
    /// `ISTIO_INBOUND_INTERCEPTION_MODE`, which upstream's start script passes on to iptables.
    InboundInterceptionMode,
    /// `ISTIO_CUSTOM_IP_TABLES`, when it asks for iptables rules.
    IpTables,
    /// `EXEC_USER` other than the unit's.
    ExecUser,
    /// `ISTIO_BIN_BASE` other than the package's.
    BinBase,
    /// `POD_NAMESPACE`, when it contradicts `ISTIO_NAMESPACE`.
    PodNamespace,
}

impl Unsupported {
    /// All, in the order they are reported in.
    pub const ALL: [Self; 7] = [
        Self::DnsCapture,
        Self::InterceptionMode,
        Self::InboundInterceptionMode,
        Self::IpTables,
        Self::ExecUser,
        Self::BinBase,
        Self::PodNamespace,
    ];

    /// The variable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DnsCapture => "ISTIO_META_DNS_CAPTURE",
            Self::InterceptionMode => "ISTIO_META_INTERCEPTION_MODE",
            Self::InboundInterceptionMode => "ISTIO_INBOUND_INTERCEPTION_MODE",
            Self::IpTables => "ISTIO_CUSTOM_IP_TABLES",
            Self::ExecUser => "EXEC_USER",
            Self::BinBase => "ISTIO_BIN_BASE",
            Self::PodNamespace => "POD_NAMESPACE",
        }
    }

    /// The value, if it is one that is not supported.
    pub(super) fn value(self, given: &Environment) -> Option<&str> {
        given.text(self.name()).filter(|value| match self {
            Self::DnsCapture => is_true(value),
            Self::InterceptionMode | Self::InboundInterceptionMode => *value != "NONE",
            Self::IpTables => *value != "true",
            Self::ExecUser => *value != "istio-proxy",
            Self::BinBase => value.trim_end_matches('/') != "/usr/local/bin",
            Self::PodNamespace => *value != given.text("ISTIO_NAMESPACE").unwrap_or("default"),
        })
    }

    const fn outcome(self) -> &'static str {
        match self {
            Self::DnsCapture => "will be forced off",
            Self::InterceptionMode => "will be forced to `NONE`",
            _ => "will be ignored",
        }
    }

    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::DnsCapture => {
                "nothing redirects DNS queries to this sidecar; `istioctl x workload entry configure --capture-dns=false` \
                 leaves it out"
            }
            Self::InterceptionMode | Self::InboundInterceptionMode | Self::IpTables => {
                "this sidecar intercepts no traffic: name its listeners in a `Sidecar` resource"
            }
            Self::ExecUser => "the sidecar runs as the user that starts it: `systemctl edit istio` sets User=",
            Self::BinBase => "the programs in /usr/local/bin belong to this package and are the ones that run",
            Self::PodNamespace => "ISTIO_NAMESPACE says the namespace",
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is not supported and {}", self.outcome())
    }
}

/// What Go's `strconv.ParseBool` takes for true.
pub(super) fn is_true(value: &str) -> bool {
    ["1", "t", "T", "TRUE", "true", "True"].contains(&value)
}
