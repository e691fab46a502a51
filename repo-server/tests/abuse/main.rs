//! What a server on the open Internet meets: clients that are slow, silent, many, gone or hostile, and files that change
//! under it. The real program, over sockets; the load stays on this machine and ends by itself.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod blobs;
mod idle;
mod paths;
mod slow;
mod vanish;

use std::net::Ipv4Addr;

use testkit::{
    client::Dial,
    pairs::Pairs,
    server::Server,
    tree::{CHECKSUM, Tree},
};

/// A server, and how its clients reach it.
struct Site {
    server: Server,
    dial: Dial,
    /// In the files' folder, for as long as the server may read them.
    _pairs: Option<Pairs>,
}

impl Site {
    fn open(tree: &Tree, flags: &[&str]) -> Self {
        let server = Server::with(tree, flags);
        Self { dial: Dial::open(server.address), server, _pairs: None }
    }

    fn tls(tree: &Tree, flags: &[&str]) -> Self {
        let pairs = Pairs::new();
        let own = pairs.flags();
        let flags: Vec<&str> = own.iter().map(String::as_str).chain(flags.iter().copied()).collect();
        let server = Server::with(tree, &flags);
        Self { dial: Dial::tls(server.address, &pairs), server, _pairs: Some(pairs) }
    }

    /// Once in the open and once over TLS.
    fn both(tree: &Tree, flags: &[&str]) -> [(&'static str, Self); 2] {
        [("open", Self::open(tree, flags)), ("TLS", Self::tls(tree, flags))]
    }

    fn connections(&self) -> usize {
        self.count("slipway_connections")
    }

    fn count(&self, metric: &str) -> usize {
        usize::try_from(self.server.metric(metric)).expect("few")
    }

    /// A client that did nothing wrong gets its file.
    fn serves_others(&self) {
        let answer = self.dial.clone().from(Ipv4Addr::new(127, 0, 0, 99)).get(CHECKSUM).expect("it answers");
        assert_eq!((answer.status, answer.body.len()), (200, 84));
    }
}

/// The clients' addresses: one alone may not have so many connections.
fn client(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 1, 1).to_bits() + u32::try_from(number).expect("few"))
}
