//! Who asks, and by which name and scheme: from the connection, or from a proxy that is trusted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header, uri::Authority};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether a text names a server as `Host` may, and as stands in links and commands: a name or an address, and perhaps a
/// port. RFC 3986 permits more, which no server is called.
pub(crate) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = is_name || inner.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok() && !port.starts_with('+'))
}

/// Networks whose `X-Forwarded-*` fields are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies(Vec<Network>);

/// An address range such as `10.0.0.0/8` or `fd00::/8`; a bare address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: u128,
    bits: u32,
}

/// Text that is no [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address range, such as 10.0.0.0/8 or fd00::/8")]
pub(crate) struct NetworkError(String);

impl std::str::FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || NetworkError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| error())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        // IPv4 is kept in its IPv6-mapped form, so that there is one kind of number.
        let offset = if address.is_ipv4() { 96 } else { 0 };
        let bits = bits.map_or(Some(128), |bits| bits.checked_add(offset)).filter(|bits| *bits <= 128);
        Ok(Self { address: number(address), bits: bits.ok_or_else(error)? })
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let host_bits = 128 - self.bits;
        // Shifting by the whole width is no shift.
        host_bits == 128 || (number(address) ^ self.address) >> host_bits == 0
    }
}

fn number(address: IpAddr) -> u128 {
    let mapped: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    mapped.to_bits()
}

impl Proxies {
    /// Believes what comes from these.
    #[must_use]
    pub(crate) fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    pub(crate) fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address of the client: the last one that a proxy of ours did not have itself.
    #[must_use]
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if self.0.is_empty() || !self.trust(peer) {
            return peer;
        }
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
        let mut client = peer;
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            // What cannot be read may have been made up, and so may all before it.
            let hop = hop.trim();
            let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
            let Some(address) = hop.parse::<IpAddr>().ok().or_else(with_port) else { break };
            client = address.to_canonical();
            if !self.trust(client) {
                break;
            }
        }
        client
    }

    /// The server as its client reached it, such as `https://mirror:8443`; for links and commands.
    #[must_use]
    pub(crate) fn endpoint(&self, peer: IpAddr, headers: &HeaderMap, uri: &http::Uri, secure: bool) -> String {
        let said = headers.get(FORWARDED_PROTO).filter(|_| self.trust(peer.to_canonical()));
        let scheme = match said.and_then(|value| value.to_str().ok()) {
            Some("https") => "https",
            Some("http") => "http",
            _ if secure => "https",
            _ => "http",
        };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let authority = uri.authority().cloned().or(host);
        format!("{scheme}://{}", authority.as_ref().map_or("localhost", Authority::as_str))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(peer: &str, forwarded: &[&'static str]) -> IpAddr {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().expect("a range"), "fd00::1".parse().expect("a range")]);
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        proxies.client(address(peer), &headers)
    }

    #[test]
    fn believes_its_own_proxies_and_nobody_else() {
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("::ffff:192.0.2.1", &[], "192.0.2.1"),
            ("10.1.2.3", &["198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.1.2.3", &["[fd00::7]:4711"], "fd00::7"),
            ("10.1.2.3", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.1.2.3", &["203.0.113.9", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.1.2.3", &["198.51.100.1, unknown"], "10.1.2.3"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("fd00::1", &["198.51.100.1"], "198.51.100.1"),
            ("fd00::2", &["198.51.100.1"], "fd00::2"),
        ] {
            assert_eq!(client(peer, forwarded), address(expected), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn servers_have_names_that_are_safe_in_a_shell() {
        for good in ["mirror", "mirror.test:8443", "127.0.0.1", "[::1]", "[fd00::1]:443", "a_b-c.d"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in
            ["", ":80", "a@b", "$(id)", "x';id;'", "a,b", "[]", "[::1]x", "a:", "a:b", "a:99999", "a:+1", "a b", "[::1"]
        {
            assert!(!is_authority(bad), "{bad}");
        }
    }

    #[test]
    fn ranges_have_an_address_and_a_length() {
        for good in ["0.0.0.0/0", "10.0.0.1", "::/0", "fd00::/8", "10.0.0.0/32"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for bad in ["", "10.0.0.0/33", "fd00::/129", "mirror", "10.0.0.0/", "10.0.0.0/4294967295"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert!("::/0".parse::<Network>().expect("a range").contains(address("198.51.100.1")));
        assert!(!"0.0.0.0/0".parse::<Network>().expect("a range").contains(address("fd00::1")));
    }
}
