//! Releases that switch under their clients.

use std::{
    io::{Read, Write},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use artifact::Sha256Digest;

use super::{
    raw::{ask, connect, get},
    server::Server,
    tree::{CHECKSUM, PACKAGE, Tree, content},
};

/// How often the release switches in the longest test.
const SWITCHES: u8 = 8;

fn release(server: &Server) -> String {
    get(server.address, CHECKSUM).header("slipway-release").expect("always").to_owned()
}

fn switch(tree: &Tree, server: &Server, seed: u8) {
    let before = release_of_others(server);
    tree.write(seed, 300_000);
    server.wait_until("switched", |server| release_of_others(server) != before);
}

/// As a client sees it that has no download behind it: the listing is always the current one.
fn release_of_others(server: &Server) -> String {
    get(server.address, "/install/").header("slipway-release").expect("always").to_owned()
}

#[test]
fn a_package_and_its_checksum_agree_when_a_switch_comes_between() {
    let tree = Tree::new(0, 300_000);
    let server = Server::start(&tree);
    let first = get(server.address, PACKAGE);
    switch(&tree, &server, 1);
    let sum = get(server.address, CHECKSUM);
    assert!(sum.text().starts_with(&Sha256Digest::of(&first.body).to_string()), "{}", sum.text());
    assert_eq!(sum.header("slipway-release"), first.header("slipway-release"));
    // The next download is the new release's, and so is its checksum.
    let second = get(server.address, PACKAGE);
    assert_ne!(second.body, first.body);
    assert!(get(server.address, CHECKSUM).text().starts_with(&Sha256Digest::of(&second.body).to_string()));
    assert!(server.metric("slipway_sticky_answers_total") >= 1);
}

#[test]
fn the_rest_of_a_download_is_from_the_release_that_it_began_with() {
    let tree = Tree::new(0, 300_000);
    let server = Server::start(&tree);
    let first = get(server.address, PACKAGE);
    switch(&tree, &server, 1);
    // curl -C - sends no If-Range.
    let rest = ask(server.address, "GET", PACKAGE, "Range: bytes=1000-\r\n");
    assert_eq!((rest.status, &rest.body[..]), (206, &first.body[1000..]));
    // apt does, and gets the whole of the new one.
    let date = first.header("last-modified").expect("always");
    let fresh = ask(server.address, "GET", PACKAGE, &format!("Range: bytes=1000-\r\nIf-Range: {date}\r\n"));
    assert_eq!(fresh.status, 200);
    assert_ne!(fresh.body, first.body);
}

#[test]
fn without_the_window_the_pair_would_be_torn() {
    let tree = Tree::new(0, 300_000);
    let server = Server::with(&tree, &["--pair-window", "0"]);
    let first = get(server.address, PACKAGE);
    switch(&tree, &server, 1);
    let sum = get(server.address, CHECKSUM).text();
    assert!(!sum.starts_with(&Sha256Digest::of(&first.body).to_string()), "the window is what keeps pairs together");
}

#[test]
fn no_pair_is_torn_and_no_body_corrupt_while_releases_switch() {
    let tree = Tree::new(0, 300_000);
    let server = Server::with(&tree, &["--trusted-proxy", "127.0.0.1"]);
    let known: Vec<Sha256Digest> = (0..=SWITCHES).map(|seed| digest_of(seed, 300_000)).collect();
    let (ended, pairs) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3_u8 {
            let (server, known, ended, pairs) = (&server, &known, &ended, &pairs);
            scope.spawn(move || {
                // Each reader has an address of its own, as VMs have.
                let client = format!("X-Forwarded-For: 192.0.2.{reader}\r\n");
                while !ended.load(Ordering::Relaxed) {
                    let package = ask(server.address, "GET", PACKAGE, &client);
                    std::thread::sleep(Duration::from_millis(50));
                    let sum = ask(server.address, "GET", CHECKSUM, &client).text();
                    let digest = Sha256Digest::of(&package.body);
                    assert!(known.contains(&digest), "a body that no release has: {}", package.status);
                    assert!(sum.starts_with(&digest.to_string()), "a torn pair");
                    pairs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for seed in 1..=SWITCHES {
            let switches = server.metric("slipway_release_switches_total");
            tree.write(seed, 300_000);
            server.wait_until("switched", |server| server.metric("slipway_release_switches_total") > switches);
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(pairs.load(Ordering::Relaxed) > 50, "{pairs:?}");
}

fn digest_of(seed: u8, size: usize) -> Sha256Digest {
    let salt = b'd' ^ b'm';
    Sha256Digest::of(&content(seed ^ salt, size))
}

#[test]
fn a_broken_tree_changes_nothing_and_is_said() {
    let tree = Tree::new(0, 300_000);
    let server = Server::start(&tree);
    let before = release(&server);
    let manifest = tree.path().join("manifest.json");
    let good = std::fs::read(&manifest).expect("it is there");
    std::fs::write(&manifest, b"{").expect("our own folder");
    server.wait_until("complained", |server| server.log().contains("no new release is served"));
    assert_eq!(release(&server), before);
    assert_eq!(get(server.ops, "/readyz").status, 200);
    std::fs::write(&manifest, good).expect("our own folder");
}

fn damage(path: &Path, how: &str) {
    match how {
        "cut" => std::fs::File::options().write(true).open(path).and_then(|file| file.set_len(100_000)).expect("ours"),
        "changed" => {
            let mut bytes = std::fs::read(path).expect("ours");
            bytes[5] ^= 1;
            std::fs::write(path, bytes).expect("ours");
        }
        "longer" => {
            let mut file = std::fs::File::options().append(true).open(path).expect("ours");
            file.write_all(b"more").expect("ours");
        }
        other => unreachable!("{other}"),
    }
}

#[test]
fn damaged_packages_are_never_served_as_good() {
    for how in ["cut", "changed", "longer"] {
        let tree = Tree::new(0, 3_000_000);
        let mut server = Server::start(&tree);
        damage(&tree.file("/install/istio-sidecar/default/deb/amd64/istio-sidecar.deb"), how);
        let mut stream = connect(server.address);
        let request = format!("GET {PACKAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |end| end + 4);
        assert!(answer.len() - head < 3_000_000, "{how}: all of it came");
        // For a while it is not even tried again.
        assert_eq!(get(server.address, PACKAGE).status, 503, "{how}");
        assert!(server.is_alive(), "{how}");
        let corrupt = "slipway_blob_fills_total{result=\"corrupt\"}";
        server.wait_until("counted it", |server| server.metric(corrupt) >= 1);
        server.wait_until("named the file", |server| server.log().contains("istio-sidecar.deb"));
        assert_eq!(get(server.address, CHECKSUM).status, 200, "{how}: others are served");
    }
}

#[test]
fn what_was_opened_or_read_outlives_its_file() {
    let tree = Tree::new(0, 3_000_000);
    let server = Server::start(&tree);
    let before = get(server.address, PACKAGE).body;
    damage(&tree.file("/install/istio-sidecar/default/deb/amd64/istio-sidecar.deb"), "cut");
    assert_eq!(get(server.address, PACKAGE).body, before, "it is in memory");
    let path = "/install/rpm/amd64/istio-sidecar.rpm";
    std::fs::remove_dir_all(tree.path().join("install")).expect("ours");
    assert_eq!(get(server.address, path).body.len(), 3_000_000, "it is open");
}

#[test]
fn connections_that_ask_for_nothing_do_not_hold_up_the_end() {
    let tree = Tree::new(0, 1000);
    let mut server = Server::with(&tree, &["--shutdown-deadline", "60"]);
    let _silent = connect(server.address);
    let mut idle = connect(server.address);
    idle.write_all(format!("GET {CHECKSUM} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).expect("it reads");
    let mut some = [0; 10];
    idle.read_exact(&mut some).expect("it answers");
    let start = std::time::Instant::now();
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn downloads_go_on_when_the_server_is_told_to_end() {
    let tree = Tree::new(0, 30_000_000);
    let mut server = Server::with(&tree, &["--shutdown-deadline", "20"]);
    let mut stream = connect(server.address);
    let request = format!("GET {PACKAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = vec![0; 100_000];
    stream.read_exact(&mut answer).expect("it comes");
    server.signal("TERM");
    server.wait_until("refused others", |server| std::net::TcpStream::connect(server.address).is_err());
    stream.read_to_end(&mut answer).expect("it goes on");
    assert!(answer.len() > 30_000_000, "{}", answer.len());
    assert!(server.wait().success());
}
