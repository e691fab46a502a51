//! Clients that leave in the middle of a download, with a reset or without a word.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
};

use artifact::Sha256Digest;
use testkit::{
    client::Wire,
    tree::{PACKAGE, Tree},
};

use crate::{Site, client};

const SIZE: usize = 40_000_000;

const CLIENTS: usize = 100;

/// What the server may hold of one connection whose client reads nothing, in bytes: buffers of HTTP and TLS, and no copy of
/// any part of the package.
const MEMORY_OF_ONE: u64 = 128 << 10;

/// What an allocator may keep for itself, in bytes.
const MEMORY_KEPT: u64 = 16 << 20;

/// Clients that asked for the package, and read the beginning of it.
fn begin(site: &Site) -> Vec<Wire> {
    let dial = site.dial.clone().with_receive_buffer(1);
    (0..CLIENTS)
        .map(|number| {
            let mut wire = dial.clone().from(client(number)).connect().expect("there is room");
            wire.ask(PACKAGE, "").expect("it reads");
            wire.read_exact(&mut [0; 1000]).expect("it comes");
            wire
        })
        .collect()
}

fn is_whole_for_others(site: &Site, expected: Sha256Digest) {
    let answer = site.dial.get(PACKAGE).expect("it answers");
    assert!(answer.status == 200 && Sha256Digest::of(&answer.body) == expected);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let tree = Tree::new(0, SIZE);
    let expected = Sha256Digest::of(&std::fs::read(tree.file(PACKAGE)).expect("it is in the tree"));
    for (name, site) in Site::both(&tree, &[]) {
        is_whole_for_others(&site, expected);
        site.server.wait_until("closed it", |_| site.connections() == 0);
        let before = site.server.resident_memory();
        let aborted = || site.count("slipway_bodies_aborted_total");

        begin(&site).into_iter().for_each(Wire::reset);
        site.server.wait_until("noticed the resets", |_| site.connections() == 0);
        assert_eq!(aborted(), CLIENTS, "{name}");

        let silent = begin(&site);
        assert_eq!(site.connections(), CLIENTS, "{name}: silence is no reason to go, for ten minutes");
        is_whole_for_others(&site, expected);
        let full = site.server.resident_memory();
        drop(silent);
        site.server.wait_until("noticed the end", |_| site.connections() == 0);
        assert_eq!(aborted(), 2 * CLIENTS, "{name}");
        let after = site.server.resident_memory();
        println!(
            "{name}: memory {} KiB before, {} KiB with {CLIENTS} silent clients of {SIZE} bytes, {} KiB after",
            before >> 10,
            full >> 10,
            after >> 10
        );
        assert!(full < before + MEMORY_OF_ONE * CLIENTS as u64, "{name}: {before} before, {full} with silent clients");
        assert!(after < before + MEMORY_KEPT, "{name}: {before} before, {after} after");
        is_whole_for_others(&site, expected);
    }
}

#[test]
fn clients_of_http2_that_are_killed_leave_nothing_behind() {
    const KILLED: usize = 20;
    let tree = Tree::new(0, SIZE);
    let expected = Sha256Digest::of(&std::fs::read(tree.file(PACKAGE)).expect("it is in the tree"));
    let site = Site::tls(&tree, &[]);
    let url = format!("https://{}{PACKAGE}", site.server.address);
    let mut curls: Vec<Child> = (0..KILLED)
        .map(|_| {
            Command::new("curl")
                .args(["-sk", "--http2", "--limit-rate", "100k", &url])
                .stdout(Stdio::null())
                .spawn()
                .expect("curl is installed")
        })
        .collect();
    let asked = "slipway_answers_total{route=\"package\",status=\"200\"}";
    site.server.wait_until("answered them all", |_| site.count(asked) == KILLED);
    assert_eq!(site.connections(), KILLED);
    for curl in &mut curls {
        curl.kill().expect("our child");
        curl.wait().expect("our child");
    }
    site.server.wait_until("noticed the end", |_| site.connections() == 0);
    assert_eq!(site.count("slipway_bodies_aborted_total"), KILLED);
    is_whole_for_others(&site, expected);
}
