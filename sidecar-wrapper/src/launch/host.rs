use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::PathBuf,
};

use rustix::{
    process::geteuid,
    thread::{CapabilitySet, capabilities, capability_is_in_ambient_set},
};

/// What planning asks of the machine besides its files.
pub trait Host {
    /// The host name, maybe with a domain.
    fn name(&self) -> String;

    /// Where this process works.
    fn directory(&self) -> PathBuf;

    /// Whether a child may listen at every port below 1024.
    fn may_bind_low_ports(&self) -> bool;

    /// The address that packets to `towards` would come from.
    fn source_address(&self, towards: IpAddr) -> Option<IpAddr>;
}

/// The first port that everybody in this network namespace may listen at.
const PORT_START: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Whether no port is for the privileged alone. A start of 80 would not do: istiod knows but all or none below 1024, and Envoy
/// refuses a listener that it cannot open.
fn starts_at_the_first(start: &str) -> bool {
    // There is no port 0.
    start.trim().parse::<u16>().is_ok_and(|start| start <= 1)
}

/// The machine that this program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThisHost;

impl Host for ThisHost {
    fn name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn directory(&self) -> PathBuf {
        // Only a directory that is gone has no name, and nothing relative can be there.
        env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn may_bind_low_ports(&self) -> bool {
        let capability = CapabilitySet::NET_BIND_SERVICE;
        // Only root's children and the ambient set have it: what the file of this program gives ends with this program.
        let inherited = if geteuid().is_root() {
            capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
        } else {
            capability_is_in_ambient_set(capability).unwrap_or(false)
        };
        inherited || fs::read_to_string(PORT_START).is_ok_and(|start| starts_at_the_first(&start))
    }

    fn source_address(&self, towards: IpAddr) -> Option<IpAddr> {
        let any: IpAddr = match towards {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        // The kernel chooses the route and the source; nothing is sent.
        socket.connect(SocketAddr::new(towards, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    }
}

/// Of RFC 5737 and RFC 3849: no machine has them, so only the default route leads there.
const NOWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// The address that others reach this machine at: the one that packets to the control plane, or else to the rest of the
/// world, come from.
pub(crate) fn own_address(host: &dyn Host, control_plane: Option<IpAddr>) -> Option<IpAddr> {
    control_plane
        .into_iter()
        .chain(NOWHERE)
        .filter_map(|towards| host.source_address(towards))
        .find(|address| !address.is_loopback() && !address.is_unspecified())
}

/// Whether pilot-agent will find IPv6 addresses alone, and have Envoy listen on those.
pub(crate) fn is_ipv6_only(host: &dyn Host, own: Option<IpAddr>) -> bool {
    own.is_some_and(|address| address.is_ipv6()) && host.source_address(NOWHERE[0]).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers() {
        assert!(!ThisHost.name().is_empty());
        assert!(ThisHost.directory().is_absolute());
        assert_eq!(ThisHost.source_address(Ipv4Addr::LOCALHOST.into()), Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn low_ports_are_open_to_all_only_from_the_first_on() {
        for (start, expected) in [("0\n", true), ("1\n", true), ("80\n", false), ("1024\n", false), ("", false)] {
            assert_eq!(starts_at_the_first(start), expected, "{start:?}");
        }
    }
}
