//! What operators see: settings, limits, metrics, systemd.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixDatagram,
    process::Command,
    time::Duration,
};

use super::{
    raw::{connect, get},
    server::Server,
    tree::{CHECKSUM, Tree},
};

#[test]
fn what_is_no_request_is_answered_and_counted() {
    let tree = Tree::new(0, 1000);
    let server = Server::start(&tree);
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(40_000));
    for (request, status) in [("GET / HTTP/1.1\r\nHo st: x\r\n\r\n", 400), (&head, 431)] {
        let mut stream = connect(server.address);
        // It may be refused before all of it was sent.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer[..], format!("HTTP/1.1 {status}").as_bytes());
        let name = format!("slipway_answers_total{{route=\"malformed\",status=\"{status}\"}}");
        server.wait_until("counted", |server| server.metric(&name) == 1);
    }
}

fn check(tree: &Tree, variables: &[(&str, &str)], flags: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_repo-server"))
        .arg("check")
        .args(flags)
        .envs(variables.iter().copied())
        .current_dir(tree.path())
        .output()
        .expect("the program was built");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn flags_win_over_variables_and_empty_variables_say_nothing() {
    let tree = Tree::new(0, 1000);
    let (code, text) =
        check(&tree, &[("SLIPWAY_STORE", "s3://bucket/x"), ("SLIPWAY_REDIRECT", "true")], &["--dir", "."]);
    assert!(code == Some(0) && text.starts_with("ready to serve 12 packages"), "{text}");
    let (code, text) = check(&tree, &[("SLIPWAY_STORE", "file:///none"), ("SLIPWAY_DIR", ".")], &[]);
    assert!(code == Some(1) && text.contains("both `store` and `dir`"), "{text}");
    let (code, text) = check(&tree, &[("SLIPWAY_STORE", ""), ("SLIPWAY_LISTEN", ""), ("SLIPWAY_DIR", ".")], &[]);
    assert!(code == Some(0), "{text}");
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    let tree = Tree::new(0, 1000);
    for (flags, said) in [
        (&["--dir", ".", "--redirect"][..], "--redirect is for stores that are reached over the network"),
        (&["--store", "file:///x", "--cache-dir", "c"], "--cache-dir is for stores"),
        (&["--store", "s3://b", "--cache-size", "5"], "--cache-size means nothing without --cache-dir"),
        (
            &["--store", "s3://b", "--public-endpoint", "https://x"],
            "--public-endpoint means nothing without --redirect",
        ),
        (&["--store", "s3://b", "--redirect", "--redirect-valid", "59"], "--redirect-valid 59 is not between 60 and"),
        (&["--store", "s3://b", "--redirect=false", "--redirect-valid", "9"], "--redirect-valid means nothing without"),
    ] {
        let (code, text) = check(&tree, &[], flags);
        assert!(code == Some(1) && text.contains(said) && text.contains("hint: "), "{flags:?}: {text}");
    }
}

#[test]
fn what_a_file_says_beside_no_store_holds_for_the_store_of_a_flag() {
    let tree = Tree::new(0, 1000);
    let file = tree.path().join("settings.toml");
    std::fs::write(&file, "redirect = true\ncache-dir = \"/tmp/x\"\n").expect("our own folder");
    let config = ["--config", file.to_str().expect("text")];
    let (code, text) = check(&tree, &[], &[&config[..], &["--store", "file:///x"]].concat());
    assert!(code == Some(1) && text.contains("--redirect is for stores"), "{text}");
    // What stands beside a store is that store's.
    std::fs::write(&file, "store = \"s3://b\"\nredirect = true\ncache-dir = \"/tmp/x\"\n").expect("our own folder");
    let (code, text) = check(&tree, &[], &[&config[..], &["--dir", "."]].concat());
    assert!(code == Some(0), "{text}");
}

/// The program as `wrapper` starts it.
fn wrapped(wrapper: &[&str], flags: &[&str]) -> Command {
    let plain = Server::command(flags);
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(plain.get_program()).args(plain.get_args());
    command
}

#[test]
fn a_limit_of_files_that_is_too_low_is_said_at_the_start() {
    let tree = Tree::new(0, 1000);
    let mut command = wrapped(&["prlimit", "--nofile=300:300"], &[]);
    command.arg("--dir").arg(tree.path());
    let server = Server::spawn(command);
    assert!(server.log().contains("raise LimitNOFILE="), "{}", server.log());
    assert_eq!(get(server.address, CHECKSUM).status, 200);
}

#[test]
fn systemd_hands_over_the_socket_and_is_told_of_beginning_and_end() {
    let tree = Tree::new(0, 1000);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("notify");
    let notified = UnixDatagram::bind(&path).expect("our own folder");
    notified.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let said = || {
        let mut buffer = [0; 1000];
        let count = notified.recv(&mut buffer).expect("it says something");
        String::from_utf8_lossy(&buffer[..count]).trim().to_owned()
    };
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let environment = format!("--setenv=NOTIFY_SOCKET={}", path.display());
    let wrapper = ["systemd-socket-activate", &environment, "--listen", &free.to_string()];
    let mut command = wrapped(&wrapper, &[]);
    command.arg("--dir").arg(tree.path());
    // It starts the program when the first client comes.
    let client = std::thread::spawn(move || first_answer(free));
    let mut server = Server::spawn(command);
    assert_eq!(server.address, free, "the socket of systemd goes before --listen");
    assert_eq!(said(), "READY=1");
    assert_eq!(client.join().expect("no panic"), 200);
    server.signal("TERM");
    assert_eq!(said(), "STOPPING=1");
    assert!(server.wait().success());
}

/// Connects as soon as somebody listens.
fn first_answer(address: SocketAddr) -> u16 {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(std::time::Instant::now() < end, "nobody listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    get(address, CHECKSUM).status
}
