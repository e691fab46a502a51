//! Where Envoy will listen, as far as its bootstrap says so in a way that is understood. Envoy alone judges the bootstrap.

use std::{net::SocketAddr, path::Path};

use serde_json::Value;

use super::{
    Families, Port, Purpose,
    yaml::{field, number, parse},
};
use crate::file::{self, FileFault};

/// A bootstrap of more than that is not looked into.
const MAX_BOOTSTRAP: u64 = 4 << 20;

/// The addresses of a bootstrap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listening {
    /// All, ordered by number.
    pub ports: Vec<Port>,
    /// Envoy's administration.
    pub admin: Option<SocketAddr>,
}

impl Listening {
    /// Reads the file. Only one that is not there, or not for this user, is an error.
    pub fn read(path: &Path) -> Result<Self, FileFault> {
        match file::read(path, MAX_BOOTSTRAP) {
            Ok(content) if is_text(path) => Ok(str::from_utf8(&content).map(Self::of).unwrap_or_default()),
            // Envoy can read a pipe as well, once.
            Ok(_) | Err(FileFault::NotAFile | FileFault::TooLarge { .. }) => Ok(Self::default()),
            Err(fault @ (FileFault::Missing | FileFault::Unreadable(_))) => Err(fault),
        }
    }

    fn of(text: &str) -> Self {
        let bootstrap = parse(text).unwrap_or_default();
        let admin = field(&bootstrap, "admin").and_then(|admin| field(admin, "address"));
        let admin = admin.and_then(|address| port(address, |_| Purpose::Admin));
        let resources = field(&bootstrap, "static_resources");
        let listeners = resources.and_then(|resources| field(resources, "listeners")).and_then(Value::as_array);
        let mut ports: Vec<Port> = listeners.into_iter().flatten().flat_map(ports_of).collect();
        ports.extend(admin);
        ports.sort_unstable();
        ports.dedup_by_key(|port| (port.number, port.address));
        Self { ports, admin: admin.map(|Port { address, number, .. }| SocketAddr::new(address, number)) }
    }
}

/// Envoy tells formats by the end of the name; what is no YAML or JSON is Protobuf.
fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|text| extension == *text))
}

fn ports_of(listener: &Value) -> Vec<Port> {
    if field(listener, "bind_to_port") == Some(&Value::Bool(false)) {
        return Vec::new();
    }
    let more = field(listener, "additional_addresses").and_then(Value::as_array);
    let more = more.into_iter().flatten().filter_map(|additional| field(additional, "address"));
    let addresses = field(listener, "address").into_iter().chain(more);
    addresses.filter_map(|address| port(address, purpose)).collect()
}

/// The TCP port that an `Address` names, if it is one that can be known.
fn port(address: &Value, purpose: impl FnOnce(u16) -> Purpose) -> Option<Port> {
    let socket = field(address, "socket_address")?;
    if field(socket, "protocol").is_some_and(|protocol| protocol != "TCP") {
        return None;
    }
    let address = field(socket, "address")?.as_str()?.parse().ok()?;
    // Port 0 is whichever is free.
    let number = field(socket, "port_value").and_then(number).and_then(|port| u16::try_from(port).ok());
    let number = number.filter(|port| *port != 0)?;
    // Envoy's `::` is for IPv6 alone unless somebody wants it otherwise.
    let both = field(socket, "ipv4_compat") == Some(&Value::Bool(true));
    let families = if both { Families::Both } else { Families::Own };
    Some(Port { number, address, purpose: purpose(number), families })
}

/// Of the package's own bootstrap, which others may have started from.
const fn purpose(port: u16) -> Purpose {
    match port {
        15021 => Purpose::Health,
        15090 => Purpose::Prometheus,
        _ => Purpose::Listener,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> (Vec<String>, Option<String>) {
        let Listening { ports, admin } = Listening::of(text);
        let port = |port: &Port| format!("{} {:?}", SocketAddr::new(port.address, port.number), port.purpose);
        (ports.iter().map(port).collect(), admin.map(|admin| admin.to_string()))
    }

    #[test]
    fn knows_the_ports_of_the_packages_own_bootstrap() {
        let package = include_str!("../../../packaging/sidecar-wrapper/envoy.yaml");
        let ports = ["127.0.0.1:15000 Admin", "0.0.0.0:15021 Health", "0.0.0.0:15090 Prometheus"];
        assert_eq!(shown(package), (ports.map(str::to_owned).to_vec(), Some("127.0.0.1:15000".to_owned())));
    }

    #[test]
    fn takes_what_it_understands_of_any_other() {
        let text = r#"{"admin": {"address": {"socketAddress": {"address": "::1", "portValue": "9901"}}},
            "staticResources": {"listeners": [
                {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 443}},
                 "additional_addresses": [{"address": {"socket_address": {"address": "::", "port_value": 443}}},
                                          {"address": {"pipe": {"path": "/x"}}}]},
                {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 443}}},
                {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 53, "protocol": "UDP"}}},
                {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 80, "protocol": "TCP"}}},
                {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 81}}, "bind_to_port": false},
                {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 0}}},
                {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 70000}}},
                {"address": {"socket_address": {"address": "localhost", "port_value": 82}}},
                {"address": {"socket_address": {"address": "0.0.0.0", "named_port": "http"}}},
                {"api_listener": {}}, 7]}}"#;
        let ports = ["0.0.0.0:80 Listener", "10.0.0.1:443 Listener", "[::]:443 Listener", "[::1]:9901 Admin"];
        assert_eq!(shown(text), (ports.map(str::to_owned).to_vec(), Some("[::1]:9901".to_owned())));
        for odd in
            ["", "[", "admin: [1]", "static_resources: {listeners: x}", "\tx", "admin: {address: {pipe: {path: /x}}}"]
        {
            assert_eq!(shown(odd), (vec![], None), "{odd:?}");
        }
    }

    #[test]
    fn only_who_asks_for_it_listens_for_both_families() {
        let families = |compat: &str| {
            let socket = format!("{{address: '::', port_value: 8081{compat}}}");
            let text = format!("static_resources: {{listeners: [{{address: {{socket_address: {socket}}}}}]}}");
            Listening::of(&text).ports.first().expect("one").families
        };
        assert_eq!(families(""), Families::Own);
        assert_eq!(families(", ipv4_compat: false"), Families::Own);
        assert_eq!(families(", ipv4_compat: true"), Families::Both);
        assert_eq!(families(", ipv4Compat: true"), Families::Both);
    }

    #[test]
    fn only_files_in_yaml_and_json_are_looked_into() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let text = r#"{"admin": {"address": {"socket_address": {"address": "::1", "port_value": 1}}}}"#;
        for (name, known) in [("a.yaml", true), ("a.yml", true), ("a.json", true), ("a.pb_text", false), ("a", false)] {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writable");
            assert_eq!(Listening::read(&path).expect("readable").admin.is_some(), known, "{name}");
        }
        assert_eq!(Listening::read(dir.path()).expect("Envoy says it"), Listening::default());
        assert!(matches!(Listening::read(&dir.path().join("none.yaml")), Err(FileFault::Missing)));
    }
}
