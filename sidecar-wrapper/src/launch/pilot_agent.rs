use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use super::{
    AgentFlags, Environment, Families, Launch, Main, Port, ProxyConfig, Purpose,
    host::{Host, is_ipv6_only},
};
use crate::root::Root;

const PROGRAM: &str = "/usr/local/bin/pilot-agent";
/// Not in the place that pilot-agent would look in, where upstream's package has it for a file to edit.
const TEMPLATE: &str = "/usr/share/istio-sidecar/envoy_bootstrap_tmpl.json";
const SDS_SOCKET: &str = "/var/run/secrets/workload-spiffe-uds/socket";

/// All that a pilot-agent is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PilotAgent {
    /// Its environment, with where each variable comes from.
    pub environment: Environment,
    /// The words that people add to its arguments.
    pub flags: AgentFlags,
    /// What the mesh configuration and `PROXY_CONFIG` say together.
    pub config: ProxyConfig,
}

impl PilotAgent {
    /// Its launch.
    #[must_use]
    pub fn launch(&self, root: &Root, host: &dyn Host) -> Launch {
        let addresses = Addresses::of(&self.environment, host);
        let admin = self.config.admin_port.unwrap_or(15000);
        let status_port = self.config.status_port.unwrap_or(15020);
        let environment_port = |name, default| {
            // As Go's strconv.Atoi or else the default.
            self.environment.text(name).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let envoys = |number, address, purpose| Port { number, address, purpose, families: Families::Own };
        let mut ports = vec![
            envoys(admin, addresses.local, Purpose::Admin),
            // Go's `:15020` is one socket for all addresses of both families.
            Port { families: Families::Both, ..envoys(status_port, addresses.any, Purpose::Status) },
            envoys(environment_port("ENVOY_STATUS_PORT", 15021), addresses.any, Purpose::Health),
            envoys(environment_port("ENVOY_PROMETHEUS_PORT", 15090), addresses.any, Purpose::Prometheus),
        ];
        // Port 0 is whichever is free.
        ports.retain(|port| port.number != 0);
        ports.sort_unstable();
        Launch {
            main: Main::PilotAgent { status_port },
            program: root.path(Path::new(PROGRAM)),
            args: self.arguments(root),
            env: self.environment.to_process(),
            directory: root.path(Path::new("/")),
            ports,
            sds_socket: Some(root.path(Path::new(SDS_SOCKET))),
            admin: Some(SocketAddr::new(addresses.local, admin)),
        }
    }

    fn arguments(&self, root: &Root) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["proxy".into(), "sidecar".into()];
        if !self.flags.has("--profiling") {
            // On all addresses of a virtual machine, anybody could ask for profiles.
            arguments.push("--profiling=false".into());
        }
        // The flag would win over the fields.
        if !self.config.names_template && !self.flags.has("--templateFile") {
            arguments.extend(["--templateFile".into(), root.path(Path::new(TEMPLATE)).into()]);
        }
        arguments.extend(self.flags.words().iter().map(OsString::from));
        arguments
    }
}

/// Where pilot-agent has Envoy listen: on IPv4, unless the machine has IPv6 alone.
struct Addresses {
    local: IpAddr,
    any: IpAddr,
}

impl Addresses {
    fn of(environment: &Environment, host: &dyn Host) -> Self {
        let own = environment.text("INSTANCE_IP").and_then(|address| address.parse().ok());
        if is_ipv6_only(host, own) {
            Self { local: Ipv6Addr::LOCALHOST.into(), any: Ipv6Addr::UNSPECIFIED.into() }
        } else {
            Self { local: Ipv4Addr::LOCALHOST.into(), any: Ipv4Addr::UNSPECIFIED.into() }
        }
    }
}
