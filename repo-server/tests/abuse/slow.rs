//! Clients that take their time.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use testkit::tree::{CHECKSUM, Tree};

use crate::{Site, client};

/// At once, from as many addresses as it takes.
const CLIENTS: usize = 600;

/// Of the server, for heads, in seconds.
const HEAD_TIMEOUT: &str = "2";

/// From the opening of a connection to its end: the time that is allowed, twice, since looking at the first bytes has one of
/// its own; five seconds for HTTP/2 to say goodbye; and what a busy machine adds.
const CUT_WITHIN: Duration = Duration::from_secs(2 * 2 + 5 + 6);

/// Ten seconds of the server's own for a handshake, and what a busy machine adds.
const HANDSHAKE_CUT_WITHIN: Duration = Duration::from_secs(10 + 6);

/// No other client waits longer for its file.
const OTHERS_WAIT: Duration = Duration::from_secs(3);

/// A client that sends one byte of its text after the other, and all of it only if nobody ends it.
struct Slow {
    stream: TcpStream,
    text: Vec<u8>,
    sent: usize,
    begun: Instant,
    cut_after: Option<Duration>,
}

impl Slow {
    fn new(stream: TcpStream, text: Vec<u8>) -> Self {
        stream.set_nonblocking(true).expect("a socket");
        Self { stream, text, sent: 0, begun: Instant::now(), cut_after: None }
    }

    /// One byte more, if there is one; takes note of the end.
    fn step(&mut self) {
        if self.cut_after.is_some() {
            return;
        }
        let next = self.text.get(self.sent..=self.sent).unwrap_or_default();
        self.sent += next.len();
        let written = self.stream.write_all(next);
        let mut buffer = [0; 1024];
        let ended = match self.stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        if ended || written.is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
            self.cut_after = Some(self.begun.elapsed());
        }
    }
}

/// Goes on until all are cut; others are served all the time. Gives the times of the first and the last to be cut, and the
/// longest wait of the others.
fn until_all_are_cut(site: &Site, clients: &mut [Slow], within: Duration) -> (Duration, Duration, Duration) {
    let mut longest = Duration::ZERO;
    while clients.iter().any(|client| client.cut_after.is_none()) {
        let asked = Instant::now();
        site.serves_others();
        longest = longest.max(asked.elapsed());
        assert!(longest < OTHERS_WAIT, "somebody else waited {longest:?}");
        for client in &mut *clients {
            client.step();
            let open = client.begun.elapsed();
            let text = String::from_utf8_lossy(&client.text[..client.text.len().min(24)]);
            assert!(client.cut_after.is_some() || open < within, "still open after {open:?}: {text:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let cut = || clients.iter().filter_map(|client| client.cut_after);
    (cut().min().expect("there are some"), cut().max().expect("there are some"), longest)
}

#[test]
fn heads_that_come_byte_by_byte_are_cut_and_others_are_served() {
    let tree = Tree::new(0, 100_000);
    let site = Site::open(&tree, &["--head-timeout", HEAD_TIMEOUT]);
    let fields = "X: y\r\n".repeat(1000);
    let frame = |kind: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, u8::from(kind == 1)], payload].concat()
    };
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let texts = [
        format!("GET {CHECKSUM} HTTP/1.1\r\nHost: x\r\n{fields}").into_bytes(),
        preface.to_vec(),
        // Settings, and headers that are never whole.
        [&preface[..], &frame(4, &[]), &frame(1, &[0x82; 4000])].concat(),
        // Pings are no reason to stay.
        [&preface[..], &frame(4, &[]), &frame(6, &[0; 8]).repeat(200)].concat(),
    ];
    let mut clients: Vec<Slow> = (0..CLIENTS)
        .map(|number| {
            let stream = site.dial.clone().from(client(number / 300)).socket().expect("there is room");
            Slow::new(stream, texts[number % texts.len()].clone())
        })
        .collect();
    site.server.wait_until("had them all", |_| site.connections() >= CLIENTS);
    let (first, last, others) = until_all_are_cut(&site, &mut clients, CUT_WITHIN);
    println!("{CLIENTS} slow heads were cut after {first:?} to {last:?}; others waited {others:?} at most");
    site.server.wait_until("let them go", |_| site.connections() == 0);
}

#[test]
fn handshakes_that_never_end_are_cut_and_others_are_served() {
    let tree = Tree::new(0, 100_000);
    let site = Site::tls(&tree, &["--head-timeout", HEAD_TIMEOUT]);
    let hello = site.dial.client_hello();
    // Silent from the start, silent in the middle, one byte at a time, and never the last byte.
    let texts = [Vec::new(), hello[..100].to_vec(), hello.clone(), hello[..hello.len() - 1].to_vec()];
    let mut clients: Vec<Slow> = (0..CLIENTS)
        .map(|number| {
            let stream = site.dial.clone().from(client(number / 300)).socket().expect("there is room");
            Slow::new(stream, texts[number % texts.len()].clone())
        })
        .collect();
    // That one hello comes whole in the end, and what should follow it does not.
    let (first, last, others) = until_all_are_cut(&site, &mut clients, HANDSHAKE_CUT_WITHIN);
    println!("{CLIENTS} handshakes were cut after {first:?} to {last:?}; others waited {others:?} at most");
    site.server.wait_until("let them go", |_| site.connections() == 0);
    assert!(site.count("slipway_handshakes_failed_total") >= CLIENTS);
}

#[test]
fn heads_inside_tls_are_cut_as_well() {
    let tree = Tree::new(0, 100_000);
    let site = Site::tls(&tree, &["--head-timeout", HEAD_TIMEOUT]);
    let mut silent = site.dial.connect().expect("it answers");
    let mut begun = site.dial.connect().expect("it answers");
    begun.write_all(b"GET / HTT").expect("it reads");
    let start = Instant::now();
    for wire in [&mut silent, &mut begun] {
        let mut rest = Vec::new();
        // With or without a goodbye of TLS.
        let _ = wire.read_to_end(&mut rest);
        assert!(start.elapsed() < CUT_WITHIN, "{:?}", start.elapsed());
    }
    site.serves_others();
}
