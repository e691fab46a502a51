//! Clients that check all that they get, as fast as they get it.

use std::{
    fmt, fs,
    iter::Sum,
    net::{Ipv4Addr, SocketAddr},
    ops::Add,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use artifact::Sha256Digest;
use testkit::{
    client::{Dial, Wire},
    pairs::Pairs,
    raw::Answer,
    server::run,
};

use crate::releases::Releases;

const PACKAGES: [&str; 5] = [
    "/install/deb/amd64/istio-sidecar.deb",
    "/install/deb/amd64/onboarding-agent.deb",
    "/install/rpm/arm64/istio-sidecar.rpm",
    "/install/istio-sidecar/default/deb/arm64/istio-sidecar.deb",
    "/install/rpm/amd64/istio-sidecar.rpm",
];

/// Others use this machine, too, and a VM does something between its downloads.
const PAUSE: Duration = Duration::from_millis(10);

/// Requests on one connection.
const KEPT: u64 = 20;

/// What one client did, or all of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// A package and its checksum.
    pub(crate) pairs: u64,
    /// Rests of packages, as after an interruption.
    rests: u64,
    /// Questions whether a package is still the same.
    questions: u64,
    /// Runs of curl and sha256sum.
    pub(crate) curls: u64,
    bytes: u64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            pairs: self.pairs + other.pairs,
            rests: self.rests + other.rests,
            questions: self.questions + other.questions,
            curls: self.curls + other.curls,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), Self::add)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pairs, rests, questions, curls, bytes } = self;
        write!(f, "{pairs} pairs, {rests} rests, {questions} questions, {curls} runs of curl, {} MB", bytes / 1_000_000)
    }
}

/// Each has an address of its own, as VMs have: that is how servers know who got what.
fn address(server: u8, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 2 + server, 1 + number)
}

pub(crate) struct Client {
    dial: Dial,
    tally: Tally,
}

impl Client {
    pub(crate) fn new(dial: Dial, server: u8, number: u8) -> Self {
        Self { dial: dial.from(address(server, number)), tally: Tally::default() }
    }

    /// Until the end is said; panics at the first thing that is wrong.
    pub(crate) fn run(mut self, releases: &Releases, ended: &AtomicBool) -> Tally {
        let mut wire = self.dial.connect().expect("it listens");
        let mut round = 0;
        while !ended.load(Ordering::Relaxed) {
            let path = PACKAGES[usize::try_from(round).expect("few") % PACKAGES.len()];
            self.pair(&mut wire, path, releases, round);
            round += 1;
            if round.is_multiple_of(KEPT) {
                wire = self.dial.connect().expect("it listens");
            }
            std::thread::sleep(PAUSE);
        }
        self.tally
    }

    fn pair(&mut self, wire: &mut Wire, path: &str, releases: &Releases, round: u64) {
        let package = wire.get(path, "").expect("it comes whole");
        let digest = self.is_right(path, &package, releases);
        // A switch comes between the two for some.
        std::thread::sleep(PAUSE * u32::try_from(round % 7).expect("few"));
        let sum = wire.get(&format!("{path}.sha256"), "").expect("it comes whole");
        assert_eq!(sum.status, 200, "{path}.sha256");
        assert!(sum.text().starts_with(&digest.to_string()), "{path}: a torn pair: {digest} and {}", sum.text());
        self.tally.pairs += 1;

        if round.is_multiple_of(3) {
            let rest = wire.get(path, "Range: bytes=1000-\r\n").expect("it comes whole");
            assert!(
                rest.status == 206 && rest.body == package.body[1000.min(package.body.len())..] || rest.status == 416
            );
            self.tally.rests += 1;
        }
        if round.is_multiple_of(5) {
            let etag = package.header("etag").expect("always");
            let again = wire.get(path, &format!("If-None-Match: {etag}\r\n")).expect("it comes whole");
            match again.status {
                304 => {}
                _ => assert_ne!(self.is_right(path, &again, releases), digest, "{path} was sent again"),
            }
            self.tally.questions += 1;
        }
    }

    /// Its bytes are what its head says, and what a release says.
    fn is_right(&mut self, path: &str, package: &Answer, releases: &Releases) -> Sha256Digest {
        assert_eq!(package.status, 200, "{path}");
        let digest = Sha256Digest::of(&package.body);
        assert_eq!(package.header("etag"), Some(format!("\"{digest}\"").as_str()), "{path}: wrong bytes");
        assert!(releases.knows(path, digest), "{path}: bytes that no release has: {digest}");
        self.tally.bytes += package.body.len() as u64;
        digest
    }
}

/// The documented commands, over HTTP/2 where there is TLS.
pub(crate) struct Curl {
    flags: Vec<String>,
    base: String,
    dir: tempfile::TempDir,
}

impl Curl {
    pub(crate) fn new(server: SocketAddr, pairs: Option<&Pairs>, index: u8) -> Self {
        let port = server.port();
        let dir = tempfile::tempdir().expect("a folder");
        let mut flags = vec![
            "-fsS".to_owned(),
            "--interface".to_owned(),
            address(index, 200).to_string(),
            "--resolve".to_owned(),
            format!("mirror.test:{port}:127.0.0.1"),
        ];
        let mut scheme = "http";
        if let Some(pairs) = pairs {
            scheme = "https";
            let certificate = dir.path().join("ca.crt");
            fs::copy(pairs.path("tls.crt"), &certificate).expect("our own folder");
            flags.extend(["--cacert".to_owned(), certificate.display().to_string()]);
        }
        Self { flags, base: format!("{scheme}://mirror.test:{port}"), dir }
    }

    /// Until the end is said; panics at the first thing that is wrong.
    pub(crate) fn run(self, releases: &Releases, ended: &AtomicBool) -> Tally {
        let mut tally = Tally::default();
        while !ended.load(Ordering::Relaxed) {
            let path = PACKAGES[usize::try_from(tally.curls).expect("few") % PACKAGES.len()];
            let name = path.rsplit('/').next().expect("a path has parts");
            for path in [path.to_owned(), format!("{path}.sha256")] {
                let url = format!("{}{path}", self.base);
                let args: Vec<&str> = self.flags.iter().map(String::as_str).chain(["-O", &url]).collect();
                let (ok, text) = run(self.dir.path(), "curl", &args);
                assert!(ok, "{url}: {text}");
            }
            let (ok, text) = run(self.dir.path(), "sha256sum", &["--check", &format!("{name}.sha256")]);
            assert!(ok, "{path}: a torn pair: {text}");
            let bytes = fs::read(self.dir.path().join(name)).expect("it was just fetched");
            assert!(releases.knows(path, Sha256Digest::of(&bytes)), "{path}: bytes that no release has");
            tally.bytes += bytes.len() as u64;
            tally.curls += 1;
            std::thread::sleep(PAUSE * 10);
        }
        tally
    }
}
