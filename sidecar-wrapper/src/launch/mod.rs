//! What is started, with which arguments, environment and working directory: worked out before anything is done.

mod bootstrap;
mod command;
mod compose;
mod environment;
mod envoy;
mod flags;
mod host;
mod pilot_agent;
mod plan;
mod proxy_config;
mod yaml;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

pub use bootstrap::Listening;
pub use command::Command;
pub(crate) use command::Program;
pub use compose::NoAddress;
pub(crate) use compose::compose;
pub use environment::{Environment, Origin, ProcessEnvironment, Variable, concerns_sidecar};
pub use envoy::{DEFAULT_DRAIN, LogLevel};
pub use flags::AgentFlags;
pub use host::{Host, ThisHost};
pub use pilot_agent::PilotAgent;
pub use plan::{Plan, PlanError, Request, plan};
pub use proxy_config::{ProxyConfig, ProxyConfigError};
pub use yaml::YamlError;

/// Where the package has Envoy.
const ENVOY: &str = "/usr/local/bin/envoy";

/// A sidecar that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Which of the two.
    pub main: Main,
    /// The program, as a path that exists for this process.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: BTreeMap<OsString, OsString>,
    /// Its working directory.
    pub directory: PathBuf,
    /// Where it will listen, as far as that is known before it runs.
    pub ports: Vec<Port>,
    /// Where another sidecar would have its SDS server, if this one has one.
    pub sds_socket: Option<PathBuf>,
    /// Envoy's administration, if that is known before it runs.
    pub admin: Option<SocketAddr>,
}

/// The program that the wrapper starts and looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Main {
    /// pilot-agent, which starts Envoy itself. It says on `port` whether the sidecar is ready.
    PilotAgent {
        /// Of `/healthz/ready`.
        status_port: u16,
    },
    /// Envoy, on a bootstrap.
    Envoy,
}

impl fmt::Display for Main {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PilotAgent { .. } => "pilot-agent",
            Self::Envoy => "Envoy",
        })
    }
}

/// A port that the sidecar will listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The port and the address, which may be the unspecified one.
    pub number: u16,
    /// See [`Port::number`].
    pub address: IpAddr,
    /// What for.
    pub purpose: Purpose,
    /// Whose connections it takes.
    pub families: Families,
}

/// For which families of addresses a socket listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Families {
    /// For that of its address.
    Own,
    /// For IPv4 as well as IPv6, if it is for all addresses.
    Both,
}

/// What the sidecar has a port for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Envoy's administration, 15000.
    Admin,
    /// pilot-agent's status, 15020.
    Status,
    /// Envoy's health, 15021.
    Health,
    /// Envoy's metrics, 15090.
    Prometheus,
    /// A listener of the bootstrap.
    Listener,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "Envoy's administration",
            Self::Status => "pilot-agent's status",
            Self::Health => "Envoy's health",
            Self::Prometheus => "Envoy's metrics",
            Self::Listener => "a listener of the bootstrap",
        })
    }
}
