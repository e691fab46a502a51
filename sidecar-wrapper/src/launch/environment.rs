use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
};

use crate::{
    env_file::Position,
    settings::{EnvFile, Settings},
};

/// The variables of a process.
pub type ProcessEnvironment = BTreeMap<OsString, OsString>;

/// Those with which systemd and others address one process, and no child of it.
const PERSONAL: [&str; 3] = ["NOTIFY_SOCKET", "JOURNAL_STREAM", "MAINPID"];
const PERSONAL_PREFIXES: [&str; 2] = ["WATCHDOG_", "LISTEN_"];

/// Where the value of a variable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The environment of this process.
    Process,
    /// One of the two files.
    File {
        /// Which one.
        file: EnvFile,
        /// The place in it.
        position: Position,
    },
    /// Worked out.
    Derived {
        /// From which variable, or fact of the machine.
        from: &'static str,
    },
    /// Nobody said anything.
    Default,
    /// Nothing else works without interception of traffic.
    Forced,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => f.write_str("environment"),
            Self::File { file, position } => write!(f, "{file}:{}", position.line),
            Self::Derived { from } => write!(f, "from {from}"),
            Self::Default => f.write_str("default"),
            Self::Forced => f.write_str("forced"),
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The value.
    pub value: OsString,
    /// Its origin.
    pub origin: Origin,
}

/// Variables by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, Variable>);

impl Environment {
    /// What people gave: the files over the process's own, as if a shell had sourced them.
    #[must_use]
    pub fn given(process: &ProcessEnvironment, settings: &Settings) -> Self {
        let mut given = Self(
            inheritable(process)
                .map(|(name, value)| (name.clone(), Variable { value: value.clone(), origin: Origin::Process }))
                .collect(),
        );
        for (name, setting) in settings.iter().filter(|(name, _)| !is_personal(OsStr::new(name))) {
            let origin = Origin::File { file: setting.file, position: setting.position };
            given.0.insert(name.into(), Variable { value: setting.value.clone().into(), origin });
        }
        given
    }

    /// The variable, also if it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.0.get(OsStr::new(name))
    }

    /// The value, if it is text and not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.value.to_str().filter(|text| !text.is_empty())
    }

    /// All, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &Variable)> {
        self.0.iter().map(|(name, variable)| (name.as_os_str(), variable))
    }

    /// A value that is there already keeps its origin.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>, origin: Origin) {
        let value = value.into();
        if self.get(name).is_none_or(|variable| variable.value != value) {
            self.0.insert(name.into(), Variable { value, origin });
        }
    }

    /// As a child gets it.
    #[must_use]
    pub fn to_process(&self) -> ProcessEnvironment {
        self.iter().map(|(name, variable)| (name.to_owned(), variable.value.clone())).collect()
    }
}

/// Those variables of a process that a child of it is to have.
pub(crate) fn inheritable(process: &ProcessEnvironment) -> impl Iterator<Item = (&OsString, &OsString)> {
    process.iter().filter(|(name, _)| !is_personal(name))
}

fn is_personal(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| PERSONAL.contains(&name) || PERSONAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// Whether pilot-agent or upstream's start script reads the variable of that name.
#[must_use]
pub fn concerns_sidecar(name: &OsStr) -> bool {
    const PREFIXES: [&str; 12] = [
        "ISTIO",
        "ENVOY_",
        "XDS_",
        "CA_",
        "POD_",
        "PROXY_",
        "CANONICAL_",
        "SECRET_",
        "WORKLOAD_",
        "WASM_",
        "DNS_",
        "ECC_",
    ];
    const NAMES: [&str; 14] = [
        "CREDENTIAL_FETCHER_TYPE",
        "DISABLE_ENVOY",
        "EXEC_USER",
        "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
        "FILE_MOUNTED_CERTS",
        "GRPC_XDS_BOOTSTRAP",
        "INSTANCE_IP",
        "JWT_POLICY",
        "MINIMUM_DRAIN_DURATION",
        "OUTPUT_CERTS",
        "PILOT_ADDRESS",
        "PROV_CERT",
        "SERVICE_ACCOUNT",
        "TRUST_DOMAIN",
    ];
    name.to_str().is_some_and(|name| NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}
