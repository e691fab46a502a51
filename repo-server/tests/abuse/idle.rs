//! Connections that ask for nothing.

use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use testkit::{
    client::{Dial, Wire},
    tree::{CHECKSUM, Tree},
};

use crate::{Site, client};

/// One half is silent from the start, the other asks once.
const OPEN: usize = 10_000;

/// Each has keys and buffers of its own, here and there.
const TLS: usize = 3000;

/// Each address may have 1,024.
const OF_ADDRESS: usize = 500;

/// Of the server, for one idle connection, in bytes: far more than what was measured, far less than a buffer that somebody
/// forgets to shrink.
const MEMORY_OF_OPEN: u64 = 32 << 10;
const MEMORY_OF_TLS: u64 = 64 << 10;

/// How often as many others come after them.
const ROUNDS: usize = 4;

/// No new client waits longer for its file.
const OTHERS_WAIT: Duration = Duration::from_secs(2);

/// The sockets of one test need more files than a shell allows.
fn raise_file_limit(needed: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    assert!(maximum >= needed as u64, "this test needs {needed} open files, the limit is {maximum}: `ulimit -Hn`");
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("up to the maximum it is allowed");
}

fn connect(dial: &Dial, number: usize) -> Wire {
    let mut wire = dial.clone().from(client(number / OF_ADDRESS)).connect().expect("there is room");
    if number.is_multiple_of(2) {
        assert_eq!(wire.get(CHECKSUM, "").expect("it answers").status, 200);
    }
    wire
}

/// With a reset: a goodbye would keep each port for a minute, and there are not so many.
fn leave(idle: Vec<Wire>) {
    idle.into_iter().for_each(Wire::reset);
}

fn idle_connections_cost_little(name: &str, site: &Site, count: usize, memory_of_one: u64) {
    // What the first connections make is there for all.
    leave((0..100).map(|number| connect(&site.dial, number)).collect());
    site.server.wait_until("forgot them", |_| site.connections() == 0);
    let before = site.server.resident_memory();

    let start = Instant::now();
    let idle: Vec<Wire> = (0..count).map(|number| connect(&site.dial, number)).collect();
    let opened = start.elapsed();
    site.server.wait_until("had them all", |_| site.connections() == count);
    let each = site.server.resident_memory().saturating_sub(before) / count as u64;

    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let asked = Instant::now();
        site.serves_others();
        longest = longest.max(asked.elapsed());
    }
    assert_eq!(site.connections(), count, "none was cut meanwhile");
    leave(idle);
    site.server.wait_until("let them go", |_| site.connections() == 0);

    // The allocator keeps what it had, for each thread, and connections do not come to the same threads again: it takes some
    // rounds until others fit into what is there.
    let full: Vec<u64> = (0..ROUNDS)
        .map(|_| {
            let idle: Vec<Wire> = (0..count).map(|number| connect(&site.dial, number)).collect();
            site.server.wait_until("had them all again", |_| site.connections() == count);
            let full = site.server.resident_memory();
            leave(idle);
            site.server.wait_until("let them go again", |_| site.connections() == 0);
            full
        })
        .collect();
    println!(
        "{count} idle connections ({name}) opened in {opened:.1?}: {each} bytes each; others waited {longest:?} at most; \
         memory {} KiB before, {:?} KiB with as many others, round by round",
        before >> 10,
        full.iter().map(|full| full >> 10).collect::<Vec<_>>()
    );
    let (early, late) = (full[ROUNDS - 2], full[ROUNDS - 1]);
    assert!(late < early + early / 10, "{full:?} bytes with as many others, round by round");
    assert!(late < before + 2 * memory_of_one * count as u64, "{full:?} bytes with as many others, round by round");
    assert!(each < memory_of_one, "{each} bytes for each idle connection ({name})");
    assert!(longest < OTHERS_WAIT, "somebody else waited {longest:?}");
    assert_eq!(site.server.metric("slipway_connections_refused_total"), 0);
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_others_are_served() {
    raise_file_limit(OPEN + 2000);
    let tree = Tree::new(0, 100_000);
    let site = Site::open(&tree, &["--head-timeout", "300"]);
    idle_connections_cost_little("open", &site, OPEN, MEMORY_OF_OPEN);
    drop(site);
    let site = Site::tls(&tree, &["--head-timeout", "300"]);
    idle_connections_cost_little("TLS", &site, TLS, MEMORY_OF_TLS);
}

#[test]
fn one_address_cannot_take_the_room_of_all() {
    let tree = Tree::new(0, 100_000);
    let site = Site::open(&tree, &["--max-connections-per-address", "50"]);
    let _greedy: Vec<_> = (0..80).map(|_| site.dial.socket().expect("the kernel takes it")).collect();
    site.server.wait_until("refused some", |server| server.metric("slipway_connections_refused_total") == 30);
    assert_eq!(site.connections(), 50);
    site.serves_others();
}
