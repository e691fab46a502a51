//! The kernel's table of TCP sockets.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Those of this process's network namespace.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// A socket that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    /// Whose it is.
    pub(super) uid: u32,
    /// What links in `/proc/PID/fd` name it by.
    pub(super) inode: u64,
}

/// Hands over every socket that listens. A table that is not there has none: IPv6 may be off.
pub(super) fn each_listener(mut take: impl FnMut(Listener)) {
    for table in TABLES.into_iter().filter_map(|path| File::open(path).ok()) {
        read(BufReader::new(table), &mut take);
    }
}

/// Row by row: a busy machine has 100,000 of them, and memory for one is enough.
fn read(mut table: impl BufRead, take: &mut impl FnMut(Listener)) {
    let mut row = String::new();
    while let Ok(1..) = table.read_line(&mut row) {
        if let Some(listener) = parse(&row) {
            take(listener);
        }
        row.clear();
    }
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...`
fn parse(row: &str) -> Option<Listener> {
    const LISTEN: &str = "0A";
    let mut fields = row.split_ascii_whitespace();
    let address = fields.nth(1)?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Listener { address: parse_address(address)?, uid, inode })
}

/// The address is there in words of 32 bits as the processor has them, the port as a number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at * 8..(at + 1) * 8)?, 16).ok()?.to_ne_bytes());
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (at, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(at)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(table: &str) -> Vec<Listener> {
        let mut found = Vec::new();
        read(table.as_bytes(), &mut |listener| found.push(listener));
        found
    }

    /// As kernels with the little end first write it.
    #[cfg(target_endian = "little")]
    #[test]
    fn reads_what_listens_and_nothing_else() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3A98 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 48211 1 0000000000000000 100 0 0 10 0
   1: 0100007F:3A98 0100007F:D431 01 00000000:00000000 00:00000000 00000000   998        0 48300 1 0000000000000000 20 4 30 10 -1
   2: nonsense
   3: 00000000:3AAD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 51000 1 0000000000000000 100 0 0 10 0
";
        let expected = [("127.0.0.1:15000", 998, 48211), ("0.0.0.0:15021", 0, 51000)]
            .map(|(address, uid, inode)| Listener { address: address.parse().expect("an address"), uid, inode });
        assert_eq!(listeners(table), expected);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn reads_addresses_of_both_families() {
        for (text, address) in [
            ("0100007F:3A98", "127.0.0.1:15000"),
            ("00000000000000000000000000000000:3AAC", "[::]:15020"),
            ("00000000000000000000000001000000:3AAC", "[::1]:15020"),
            ("0000000000000000FFFF00000100007F:3AAC", "[::ffff:127.0.0.1]:15020"),
            ("B80D0120000000000000000001000000:0050", "[2001:db8::1]:80"),
        ] {
            assert_eq!(parse_address(text), Some(address.parse().expect("an address")), "{text}");
        }
        for text in ["", "0100007F", "0100007:3A98", "0100007F:3A981", "0100007G:3A98"] {
            assert_eq!(parse_address(text), None, "{text}");
        }
    }
}
