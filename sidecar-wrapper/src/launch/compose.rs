use std::net::{IpAddr, SocketAddr};

use super::{
    ENVOY,
    environment::{Environment, Origin},
    host::{Host, own_address},
    proxy_config::{ProxyConfig, with_fields},
};
use crate::root::Root;

const DEFAULT_PILOT_PORT: &str = "15012";
const CERTIFICATES: &str = "./etc/certs";

/// Without an address of its own a sidecar is nothing that others can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no address that others could reach")]
pub struct NoAddress;

/// pilot-agent's environment, composed from what people gave as upstream's start script composes it; `mesh` and `own` are
/// what the mesh configuration and `PROXY_CONFIG` hold.
pub(crate) fn compose(
    given: &Environment,
    mesh: &ProxyConfig,
    own: &ProxyConfig,
    root: &Root,
    host: &dyn Host,
) -> Result<Environment, NoAddress> {
    let mut composed = given.clone();
    let pilot = pilot_address(given);

    let control_plane = own.discovery_address.as_deref().or(custom(&pilot)).or(mesh.discovery_address.as_deref());
    let (address, origin) = instance_address(given, control_plane, host)?;
    composed.set("INSTANCE_IP", address, origin);

    if given.text("POD_NAME").is_none() {
        let name = host.name();
        let short = name.split('.').next().unwrap_or_default();
        composed.set("POD_NAME", short, Origin::Derived { from: "this machine's name" });
    }
    let namespace = given.text("ISTIO_NAMESPACE");
    composed.set("POD_NAMESPACE", namespace.unwrap_or("default"), derived_or_default(namespace, "ISTIO_NAMESPACE"));

    if given.text("CA_ADDR").is_none() {
        composed.set("CA_ADDR", &pilot.0, pilot.1);
    }
    for name in ["PROV_CERT", "OUTPUT_CERTS"] {
        // An empty one is meant: pilot-agent then asks for certificates, or keeps them, in another way.
        if given.get(name).is_none() {
            composed.set(name, CERTIFICATES, Origin::Default);
        }
    }
    let (config, origin) = proxy_config(given, &pilot, mesh, own, root);
    composed.set("PROXY_CONFIG", config, origin);

    composed.set("ISTIO_META_INTERCEPTION_MODE", "NONE", Origin::Forced);
    composed.set("ISTIO_META_DNS_CAPTURE", "false", Origin::Forced);
    if !host.may_bind_low_ports() {
        // istiod then sends no listeners that Envoy may not open.
        composed.set("ISTIO_META_UNPRIVILEGED_POD", "true", Origin::Forced);
    }
    Ok(composed)
}

fn derived_or_default(value: Option<&str>, from: &'static str) -> Origin {
    if value.is_some() { Origin::Derived { from } } else { Origin::Default }
}

/// The control plane, if the mesh configuration does not name it.
fn pilot_address(given: &Environment) -> (String, Origin) {
    if let Some(address) = given.text("PILOT_ADDRESS") {
        return (address.to_owned(), Origin::Derived { from: "PILOT_ADDRESS" });
    }
    let namespace = given.text("ISTIO_SYSTEM_NAMESPACE");
    let port = given.text("ISTIO_PILOT_PORT");
    let address = format!("istiod.{}.svc:{}", namespace.unwrap_or("istio-system"), port.unwrap_or(DEFAULT_PILOT_PORT));
    let origin = match port {
        Some(_) => Origin::Derived { from: "ISTIO_PILOT_PORT" },
        None => derived_or_default(namespace, "ISTIO_SYSTEM_NAMESPACE"),
    };
    (address, origin)
}

/// The address, if it replaces the one of the mesh configuration: upstream's script takes the namespace alone for no reason to.
fn custom(pilot: &(String, Origin)) -> Option<&str> {
    let custom = matches!(pilot.1, Origin::Derived { from: "PILOT_ADDRESS" | "ISTIO_PILOT_PORT" });
    custom.then_some(pilot.0.as_str())
}

fn instance_address(
    given: &Environment,
    control_plane: Option<&str>,
    host: &dyn Host,
) -> Result<(String, Origin), NoAddress> {
    for name in ["INSTANCE_IP", "ISTIO_SVC_IP"] {
        if let Some(address) = given.text(name) {
            return Ok((address.to_owned(), Origin::Derived { from: name }));
        }
    }
    let own = own_address(host, control_plane.and_then(ip_of)).ok_or(NoAddress)?;
    Ok((own.to_string(), Origin::Derived { from: "this machine's addresses" }))
}

/// Of `<host>:<port>` or `<host>`, if the host is an address.
fn ip_of(address: &str) -> Option<IpAddr> {
    address.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| address.parse()).ok()
}

fn proxy_config(
    given: &Environment,
    pilot: &(String, Origin),
    mesh: &ProxyConfig,
    own: &ProxyConfig,
    root: &Root,
) -> (String, Origin) {
    let (mut text, mut fields) = (String::new(), Vec::new());
    let mut origin = Origin::Default;
    if let Some(given) = given.text("PROXY_CONFIG") {
        text.push_str(given);
        origin = Origin::Derived { from: "PROXY_CONFIG" };
    }
    match custom(pilot) {
        Some(address) if own.discovery_address.is_none() => {
            fields.push(("discoveryAddress", address));
            origin = pilot.1;
        }
        None if text.is_empty() => {
            let service = given.text("ISTIO_SERVICE");
            fields.push(("serviceCluster", service.unwrap_or("rawvm")));
            fields.push(("controlPlaneAuthPolicy", given.text("ISTIO_CP_AUTH").unwrap_or("MUTUAL_TLS")));
            origin = derived_or_default(service, "ISTIO_SERVICE");
        }
        _ => {}
    }
    // pilot-agent knows it by an absolute path alone.
    let envoy = root.path(ENVOY.as_ref());
    if envoy != std::path::Path::new(ENVOY) && !own.names_envoy && !mesh.names_envoy {
        fields.extend(envoy.to_str().map(|envoy| ("binaryPath", envoy)));
    }
    (with_fields(&text, &fields), origin)
}
