//! Minutes under load, with a release switch every second: no wrong byte, no torn pair, no error of the server, and no
//! memory that grows. `cargo xtask test` takes five minutes for it, and says so by `SLIPWAY_SOAK_SECONDS`.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod load;
mod releases;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use testkit::{client::Dial, pairs::Pairs, raw, server::Server};

use load::{Client, Curl, Tally};
use releases::Releases;

const SECONDS_VARIABLE: &str = "SLIPWAY_SOAK_SECONDS";
const SECONDS: u64 = 15;

/// Of each server, beside one curl.
const CLIENTS: u8 = 3;

/// For packages, in MiB: less than two releases have, so that packages come and go all the time.
const MEMORY: &str = "20";

/// How much more memory a server may have at the end than after the first fifth, in bytes. What it holds of packages depends
/// on who reads what, and moves by some packages of three megabytes; in five minutes, it is some hundred bytes an answer.
const GROWTH: u64 = 16 << 20;

/// A server under load, and what was seen of it.
struct Soaked {
    name: &'static str,
    server: Server,
    dial: Dial,
    memory: Vec<u64>,
}

impl Soaked {
    fn start(name: &'static str, releases: &Releases, pairs: Option<&Pairs>) -> Self {
        let mut command = Server::command(&["--memory", MEMORY]);
        command.args(pairs.map(Pairs::flags).unwrap_or_default()).args(["--store", &releases.url()]);
        let server = Server::spawn(command);
        let dial = pairs.map_or_else(|| Dial::open(server.address), |pairs| Dial::tls(server.address, pairs));
        server.wait_until("ready", |server| raw::get(server.ops, "/readyz").status == 200);
        Self { name, server, dial, memory: Vec::new() }
    }

    fn observe(&mut self) {
        assert!(self.server.is_alive(), "{}: {}", self.name, self.server.log());
        self.memory.push(self.server.resident_memory());
    }

    /// The most memory in each fifth of the time. In the first, not all clients have asked for everything yet.
    fn memory(&self) -> Vec<u64> {
        let most = |samples: &[u64]| samples.iter().copied().max().expect("there are samples");
        self.memory.chunks(self.memory.len().div_ceil(5)).map(most).collect()
    }

    fn judge(&self, seconds: u64) {
        let Self { name, server, .. } = self;
        let memory = self.memory();
        let (early, late) = (memory[1], memory[memory.len() - 1]);
        let (switches, fills) = (
            server.metric("slipway_release_switches_total"),
            server.metric("slipway_blob_fills_total{result=\"verified\"}"),
        );
        println!(
            "{name}: {switches} releases served, {fills} packages read, {} bytes sent, {} pairs kept together; memory \
             {:?} KiB, by fifths of the time",
            server.metric("slipway_sent_bytes_total"),
            server.metric("slipway_sticky_answers_total"),
            memory.iter().map(|bytes| bytes >> 10).collect::<Vec<_>>()
        );
        let metrics = raw::get(server.ops, "/metrics").text();
        assert!(!metrics.contains("status=\"5"), "{name}: {metrics}");
        for metric in [
            "slipway_blob_fills_total{result=\"corrupt\"}",
            "slipway_blob_fills_total{result=\"unreadable\"}",
            "slipway_bodies_aborted_total",
            "slipway_release_load_failures_total",
            "slipway_connections_refused_total",
        ] {
            assert_eq!(server.metric(metric), 0, "{name}: {metric}: {}", server.log());
        }
        // A server looks every two seconds.
        assert!(switches >= seconds / 3, "{name}: {switches} switches in {seconds} seconds");
        assert!(late < early + GROWTH, "{name}: {early} bytes early, {late} late: {:?}", self.memory);
    }
}

#[test]
fn no_wrong_byte_no_error_and_no_growth_while_releases_switch() {
    let seconds = std::env::var(SECONDS_VARIABLE).map_or(SECONDS, |seconds| seconds.parse().expect("seconds"));
    assert!(seconds >= SECONDS, "less than {SECONDS} seconds show nothing");
    let (releases, pairs) = (Releases::new(), Pairs::new());
    let mut servers = [Soaked::start("open", &releases, None), Soaked::start("TLS", &releases, Some(&pairs))];
    let ended = AtomicBool::new(false);
    let start = Instant::now();
    let (published, total) = std::thread::scope(|scope| {
        let (releases, ended, pairs) = (&releases, &ended, &pairs);
        let mut clients = Vec::new();
        for (index, soaked) in (0..).zip(&servers) {
            for number in 0..CLIENTS {
                let dial = soaked.dial.clone();
                clients.push(scope.spawn(move || Client::new(dial, index, number).run(releases, ended)));
            }
            let curl = Curl::new(soaked.server.address, (soaked.name == "TLS").then_some(pairs), index);
            clients.push(scope.spawn(move || curl.run(releases, ended)));
        }
        let mut published = 0;
        while start.elapsed() < Duration::from_secs(seconds) && clients.iter().all(|client| !client.is_finished()) {
            let next = start.elapsed() + Duration::from_secs(1);
            releases.switch(published);
            published += 1;
            servers.iter_mut().for_each(Soaked::observe);
            std::thread::sleep(next.saturating_sub(start.elapsed()));
        }
        ended.store(true, Ordering::Relaxed);
        let total: Tally = clients.into_iter().map(|client| client.join().expect("it found nothing wrong")).sum();
        (published, total)
    });
    println!("{} s, {published} switches in the store: {total}", start.elapsed().as_secs());
    for soaked in &servers {
        soaked.judge(seconds);
    }
    assert!(published >= seconds * 9 / 10, "{published} switches in {seconds} seconds");
    assert!(total.pairs > seconds * 10 && total.curls > seconds / 4, "hardly any load: {total}");
}
