//! Whether something else has what the sidecar is about to take: its ports, and the socket of its SDS server.
//!
//! Trying to bind would not tell: Envoy shares its ports (`SO_REUSEPORT`) with every Envoy of the same user, and
//! pilot-agent takes a live SDS server of another sidecar for one that it should use. So the kernel's table of sockets is
//! read instead.

mod conflict;
mod holder;
mod sds;
mod table;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

pub use conflict::{Conflict, Conflicts, Place};
pub use holder::{Holder, Owner, Process, User};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use table::Listener;

use crate::launch::{Families, Port};

/// Looks for whoever has one of `ports`, or serves at `sds_socket`; at most one conflict for each, in their order.
///
/// What the kernel does not show counts as free: the sidecar itself would say so next.
pub fn check(ports: &[Port], sds_socket: Option<&Path>) -> Result<(), Conflicts> {
    let mut found: Vec<(Port, Listener)> = Vec::new();
    table::each_listener(|listener| {
        found.extend(ports.iter().filter(|port| meet(port, listener.address)).map(|&port| (port, listener)));
    });
    let inodes: BTreeSet<u64> = found.iter().map(|(_, listener)| listener.inode).collect();
    let owners = holder::owners(&inodes);
    let on_ports = ports.iter().filter_map(|port| {
        // Envoy has a socket for each of its threads, and processes may share a port: one of them is named, always the same.
        let (owner, listener) = found
            .iter()
            .filter(|(taken, _)| taken == port)
            .map(|(_, listener)| (owners.get(&listener.inode).copied(), listener))
            .min_by_key(|(owner, listener)| (owner.unwrap_or(u32::MAX), listener.uid, listener.address))?;
        let holder = Holder::of(owner, listener.uid);
        Some(Conflict { place: Place::Port { port: *port, taken: listener.address.ip() }, holder })
    });
    let at_socket = sds_socket.and_then(|path| {
        let holder = sds::server(path)?;
        Some(Conflict { place: Place::SdsSocket(path.to_owned()), holder })
    });
    let conflicts: Vec<_> = on_ports.chain(at_socket).collect();
    Conflicts::new(conflicts).map_or(Ok(()), Err)
}

/// Whether the sidecar could not have `port` next to a socket that listens at `theirs`.
fn meet(port: &Port, theirs: SocketAddr) -> bool {
    if port.number != theirs.port() {
        return false;
    }
    match (port.address.to_canonical(), theirs.ip().to_canonical()) {
        // Whichever of the two it is written as.
        (ours, _) if ours.is_unspecified() && port.families == Families::Both => true,
        (IpAddr::V4(ours), IpAddr::V6(theirs)) => theirs.is_unspecified() && has_ipv4_too(ours, port.number),
        (IpAddr::V6(_), IpAddr::V4(_)) => false,
        (ours, theirs) => ours == theirs || ours.is_unspecified() || theirs.is_unspecified(),
    }
}

/// Whether a socket that listens at `::` has IPv4's port as well. The table does not tell, but binding without
/// `SO_REUSEPORT` does; what cannot be bound for another reason is taken for the usual case, which has both.
fn has_ipv4_too(address: Ipv4Addr, port: u16) -> bool {
    let probe = || {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Connections that just ended are not in the way.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &SocketAddr::from((address, port)))
    };
    probe().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Purpose;

    #[test]
    fn addresses_meet_as_the_kernel_has_it() {
        let port = |address: &str, families| Port {
            number: 15021,
            address: address.parse().expect("an address"),
            purpose: Purpose::Health,
            families,
        };
        let theirs = |theirs: &str| theirs.parse().expect("a socket's address");
        for (ours, other, expected) in [
            ("127.0.0.1", "127.0.0.1:15021", true),
            ("127.0.0.1", "127.0.0.1:15022", false),
            ("127.0.0.1", "127.0.0.2:15021", false),
            ("127.0.0.1", "0.0.0.0:15021", true),
            ("0.0.0.0", "192.0.2.1:15021", true),
            ("127.0.0.1", "[::ffff:127.0.0.1]:15021", true),
            ("127.0.0.1", "[::ffff:127.0.0.2]:15021", false),
            ("127.0.0.1", "[::ffff:0.0.0.0]:15021", true),
            ("::ffff:127.0.0.1", "127.0.0.1:15021", true),
            ("127.0.0.1", "[::1]:15021", false),
            ("0.0.0.0", "[::1]:15021", false),
            ("::1", "[::1]:15021", true),
            ("::1", "[::]:15021", true),
            ("::1", "0.0.0.0:15021", false),
            ("::", "[::1]:15021", true),
            ("::", "[::]:15021", true),
            ("::", "127.0.0.1:15021", false),
            ("::", "0.0.0.0:15021", false),
            ("::", "[::ffff:127.0.0.1]:15021", false),
        ] {
            assert_eq!(meet(&port(ours, Families::Own), theirs(other)), expected, "{ours} {other}");
        }
        for ours in ["0.0.0.0", "::"] {
            for other in ["0.0.0.0:15021", "127.0.0.1:15021", "[::]:15021", "[::1]:15021", "[::ffff:127.0.0.1]:15021"] {
                assert!(meet(&port(ours, Families::Both), theirs(other)), "{ours} {other}");
            }
            assert!(!meet(&port(ours, Families::Both), theirs("[::1]:15022")));
        }
        assert!(!meet(&port("::1", Families::Both), theirs("127.0.0.1:15021")), "it is for one address");
    }
}
