//! Real sockets in a network of their own, held by processes that look like a sidecar's.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr},
    os::{fd::OwnedFd, unix::fs::symlink, unix::net::UnixListener},
    path::{Path, PathBuf},
    process::{self, Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt},
    process::Uid,
};
use sidecar_wrapper::{
    launch::{Families, Port, Purpose},
    preflight::{self, Conflict, Holder, Process},
};
use tempfile::TempDir;

/// Set within the network of a test.
const INSIDE: &str = "PREFLIGHT_TEST_INSIDE";
/// Set for a process that holds a socket: which one.
const HOLD: &str = "PREFLIGHT_TEST_HOLD";
const NOBODY: u32 = 65534;

/// This test once more, in a network namespace of its own, where every port is free. Only root can have one.
fn own_network(name: &str) -> Command {
    let mut command = Command::new("unshare");
    let this = env::current_exe().expect("a test's program");
    command.arg("--net").arg(this).args(["--exact", name, "--nocapture"]).env(INSIDE, "yes");
    command
}

fn assert_passed(ended: Output) {
    let text = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
}

/// A new network has its loopback down.
fn up() {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip is there");
    assert!(up.success());
}

/// Runs `test` there.
fn in_own_network(name: &str, test: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        up();
        return test();
    }
    assert_passed(own_network(name).output().expect("unshare is there"));
}

/// This program as somebody else's, which holds a socket until it is dropped.
struct Other {
    process: Child,
    /// Where a link gives it its name.
    _directory: TempDir,
}

impl Other {
    /// Its sockets are those of [`hold`].
    fn run(name: &str, sockets: &str) -> Self {
        Self::run_below(&[], name, sockets)
    }

    /// Started by the last of `owners`, which the one before started; [`Other::pid`] is the first one's.
    fn run_below(owners: &[&str], name: &str, sockets: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let link = |name: &str, program: &Path| {
            let path = directory.path().join(name);
            symlink(program, &path).expect("writable");
            path.into_os_string()
        };
        let mut words: Vec<OsString> = Vec::new();
        for owner in owners {
            // Without a second command, a shell becomes the first one.
            words.extend([link(owner, Path::new("/bin/sh")), "-c".into(), "\"$@\"; exit".into(), "sh".into()]);
        }
        words.push(link(name, &env::current_exe().expect("a test's program")));
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .args(["--exact", "holds_what_it_is_told", "--nocapture"])
            .env(HOLD, sockets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let ready = output.lines().map_while(Result::ok).any(|line| line.ends_with("holding"));
        assert!(ready, "{name} cannot have {sockets}");
        Self { process, _directory: directory }
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Not a test but the other process.
#[test]
fn holds_what_it_is_told() {
    let Ok(sockets) = env::var(HOLD) else { return };
    let held: Vec<OwnedFd> = sockets.split(' ').map(hold).collect();
    println!("\nholding");
    std::io::stdout().flush().expect("a pipe");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("a pipe");
    drop(held);
    // The harness would write to a pipe that nobody reads.
    process::exit(0);
}

/// A path, or an address and what to do with it: `[::]:15020`, `[::]:15021/v6only`, `127.0.0.1:15000/shared`, `127.0.0.1:15000/bound`.
fn hold(socket: &str) -> OwnedFd {
    if socket.starts_with('/') {
        return UnixListener::bind(socket).expect("a path").into();
    }
    let (address, how) = socket.split_once('/').unwrap_or((socket, ""));
    let address: SocketAddr = address.parse().expect("an address");
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
    if family == AddressFamily::INET6 {
        sockopt::set_ipv6_v6only(&socket, how == "v6only").expect("IPv6");
    }
    if how == "shared" {
        sockopt::set_socket_reuseport(&socket, true).expect("it is new");
    }
    bind(&socket, &address).expect("it is free");
    if how != "bound" {
        listen(&socket, 16).expect("it is bound");
    }
    socket
}

fn port(address: &str, purpose: Purpose) -> Port {
    let address: SocketAddr = address.parse().expect("an address");
    // Of pilot-agent, which Go has listen so.
    let families = if purpose == Purpose::Status { Families::Both } else { Families::Own };
    Port { number: address.port(), address: address.ip(), purpose, families }
}

/// What pilot-agent and Envoy want.
fn ports() -> [Port; 4] {
    [
        port("127.0.0.1:15000", Purpose::Admin),
        port("[::]:15020", Purpose::Status),
        port("0.0.0.0:15021", Purpose::Health),
        port("0.0.0.0:15090", Purpose::Prometheus),
    ]
}

fn conflicts(ports: &[Port]) -> Vec<Conflict> {
    preflight::check(ports, None).err().map(|found| found.as_slice().to_vec()).unwrap_or_default()
}

fn process_of(conflict: &Conflict) -> &Process {
    match &conflict.holder {
        Holder::Process(process) => process,
        other => panic!("{other:?}"),
    }
}

/// What `check` says of the usual ports, and of a directory's socket.
fn said(directory: &Path) -> Vec<String> {
    let socket = directory.join("socket");
    let found = preflight::check(&ports(), Some(&socket)).err();
    found.iter().flat_map(preflight::Conflicts::as_slice).map(ToString::to_string).collect()
}

#[test]
fn free_ports_are_no_conflict() {
    in_own_network("free_ports_are_no_conflict", || {
        assert_eq!(conflicts(&ports()), []);
        let _elsewhere = Other::run("envoy", "127.0.0.1:15001 127.0.0.2:15000 127.0.0.1:15021/bound");
        assert_eq!(conflicts(&ports()), []);
    });
}

#[test]
fn names_who_has_each_port_in_the_order_of_the_ports() {
    in_own_network("names_who_has_each_port_in_the_order_of_the_ports", || {
        let envoy = Other::run("envoy", "127.0.0.1:15090 127.0.0.1:15000");
        let nginx = Other::run("nginx", "0.0.0.0:15021");
        let found = conflicts(&ports());
        let holders: Vec<_> =
            found.iter().map(process_of).map(|process| (process.name.as_str(), process.pid)).collect();
        assert_eq!(holders, [("envoy", envoy.pid()), ("nginx", nginx.pid()), ("envoy", envoy.pid())]);
        let first = found.first().expect("three").to_string();
        let expected =
            format!("port 15000 (Envoy's administration) at 127.0.0.1 is taken by envoy (pid {}, /", envoy.pid());
        assert!(first.starts_with(&expected) && first.contains("/envoy"), "{first}");
        assert!(found.first().expect("three").hint().starts_with("another sidecar runs: "));
    });
}

/// It would be started again.
#[test]
fn not_the_process_is_to_be_killed_but_the_topmost_that_looks_after_it() {
    in_own_network("not_the_process_is_to_be_killed_but_the_topmost_that_looks_after_it", || {
        for (owners, named) in [
            (&["sidecar-wrapper", "sidecar-keeper"][..], "sidecar-wrapper"),
            (&["sh-of-somebody", "sidecar-wrapper", "sidecar-keeper"], "sidecar-wrapper"),
            (&["onboarding-agent", "sidecar-wrapper", "sidecar-keeper"], "onboarding-agen"),
        ] {
            let other = Other::run_below(owners, "envoy", "127.0.0.1:15000 0.0.0.0:15021");
            let found = preflight::check(&ports(), None).expect_err("it has two");
            let [first, _] = found.as_slice() else { panic!("{found:?}") };
            let process = process_of(first);
            let owner = process.owner.as_ref().expect("it has one");
            assert_eq!((process.name.as_str(), owner.name.as_str()), ("envoy", named));
            assert_eq!(owner.pid == other.pid(), owners[0] != "sh-of-somebody");
            assert!(first.to_string().ends_with(&format!(") of {named} (pid {})", owner.pid)), "{first}");
            assert_eq!(found.hints(), [format!("another sidecar runs: kill {}", owner.pid)]);
        }
    });
}

/// Binding would succeed here, were it done as Envoy does it.
#[test]
fn finds_an_envoy_that_shares_its_port() {
    in_own_network("finds_an_envoy_that_shares_its_port", || {
        let first = Other::run("envoy", "127.0.0.1:15000/shared 127.0.0.1:15000/shared");
        let second = Other::run("envoy", "127.0.0.1:15000/shared");
        let bound = hold("127.0.0.1:15000/shared");
        drop(bound);
        let expected = first.pid().min(second.pid());
        for _ in 0..3 {
            let found = conflicts(&ports());
            let [Conflict { holder: Holder::Process(process), .. }] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(process.pid, expected);
        }
    });
}

/// As the children of a process that forgot to close it.
#[test]
fn of_several_processes_with_a_socket_the_first_is_named() {
    in_own_network("of_several_processes_with_a_socket_the_first_is_named", || {
        let socket = hold("127.0.0.1:15000");
        let shared = socket.try_clone().expect("a descriptor is free");
        let mut child = Command::new("sleep").arg("60").stdin(shared).spawn().expect("sleep is there");
        let other = Other::run("envoy", "0.0.0.0:15090");
        let found = conflicts(&ports());
        child.kill().expect("our own");
        child.wait().expect("our own");
        assert!(process::id() < child.id() && child.id() < other.pid(), "pids began anew: run it again");
        let pids: Vec<_> = found.iter().map(|conflict| process_of(conflict).pid).collect();
        assert_eq!(pids, [process::id(), other.pid()]);
    });
}

/// A cgroup as systemd makes it for a service. Only root can have one.
struct Service(PathBuf);

impl Service {
    fn new(name: &str) -> Self {
        // Where version 1 is in use, systemd has a hierarchy of its own.
        let v1 = Path::new("/sys/fs/cgroup/systemd");
        let top = if v1.is_dir() { v1 } else { Path::new("/sys/fs/cgroup") };
        let cgroup = top.join(name).with_extension("service");
        fs::create_dir(&cgroup).expect("only root can have a cgroup");
        Self(cgroup)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn tells_which_service_has_a_port_and_whether_it_is_our_own() {
    const NAME: &str = "tells_which_service_has_a_port_and_whether_it_is_our_own";
    /// Its cgroup, for the test within the network.
    const SERVICE: &str = "PREFLIGHT_TEST_SERVICE";
    let Some(cgroup) = env::var_os(SERVICE).map(PathBuf::from) else {
        let service = Service::new(&format!("sidecar-wrapper-test-{}", process::id()));
        let ended = own_network(NAME).env(SERVICE, &service.0).output().expect("unshare is there");
        return assert_passed(ended);
    };
    up();
    let service = cgroup.file_stem().and_then(|name| name.to_str()).expect("a plain name");
    let move_in = |pid: u32| fs::write(cgroup.join("cgroup.procs"), pid.to_string()).expect("our own");
    let hint = || conflicts(&ports()).iter().map(Conflict::hint).collect::<Vec<_>>();
    let envoy = Other::run("envoy", "127.0.0.1:15000");
    assert!(hint().iter().all(|hint| !hint.contains(service)), "not yet");
    move_in(envoy.pid());
    assert_eq!(process_of(conflicts(&ports()).first().expect("one")).unit, Some(format!("{service}.service")));
    assert_eq!(hint(), [format!("another sidecar runs: systemctl stop {service}")]);
    move_in(process::id());
    assert_eq!(hint(), [format!("it is left from an earlier start: systemctl restart {service}")]);
}

#[test]
fn ipv6_counts_for_ipv4_unless_it_is_for_ipv6_only() {
    in_own_network("ipv6_counts_for_ipv4_unless_it_is_for_ipv6_only", || {
        let health = [port("0.0.0.0:15021", Purpose::Health)];
        for (theirs, taken) in [
            ("[::]:15021", Some("::")),
            ("[::]:15021/v6only", None),
            ("[::1]:15021", None),
            ("[::ffff:127.0.0.1]:15021", Some("::ffff:127.0.0.1")),
        ] {
            let _other = Other::run("envoy", theirs);
            let expected: Option<IpAddr> = taken.map(|address| address.parse().expect("an address"));
            let found: Vec<_> = conflicts(&health)
                .iter()
                .map(|conflict| match conflict.place {
                    preflight::Place::Port { taken, .. } => taken,
                    preflight::Place::SdsSocket(_) => panic!("{conflict}"),
                })
                .collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{theirs}");
        }
    });
}

#[test]
fn envoys_ipv6_leaves_ipv4_to_others_and_gos_does_not() {
    in_own_network("envoys_ipv6_leaves_ipv4_to_others_and_gos_does_not", || {
        let envoys = port("[::]:8081", Purpose::Listener);
        let ports = [envoys, port("0.0.0.0:15020", Purpose::Status)];
        for (theirs, expected) in [
            ("0.0.0.0:8081", &[][..]),
            ("127.0.0.1:8081", &[]),
            ("[::]:8081/v6only", &[8081]),
            ("[::1]:8081", &[8081]),
            ("[::1]:15020", &[15020]),
            ("127.0.0.1:15020", &[15020]),
            ("[::]:15020/v6only", &[15020]),
        ] {
            let _other = Other::run("nginx", theirs);
            let found: Vec<_> = conflicts(&ports)
                .iter()
                .map(|conflict| match conflict.place {
                    preflight::Place::Port { port, .. } => port.number,
                    preflight::Place::SdsSocket(_) => panic!("{conflict}"),
                })
                .collect();
            assert_eq!(found, expected, "{theirs}");
        }
        let _other = Other::run("nginx", "0.0.0.0:8081");
        assert_eq!(conflicts(&[Port { families: Families::Both, ..envoys }]).len(), 1);
    });
}

#[test]
fn connections_that_ended_are_no_conflict() {
    in_own_network("connections_that_ended_are_no_conflict", || {
        let _only_v6 = Other::run("envoy", "[::]:15021/v6only");
        let server = std::net::TcpListener::bind("127.0.0.1:15021").expect("free");
        let client = std::net::TcpStream::connect("127.0.0.1:15021").expect("it listens");
        // The side that closes first keeps the port for a minute.
        drop(server.accept().expect("a client"));
        drop(server);
        drop(client);
        assert_eq!(conflicts(&ports()), []);
    });
}

#[test]
fn a_user_who_cannot_see_the_holder_hears_whose_it_is() {
    in_own_network("a_user_who_cannot_see_the_holder_hears_whose_it_is", || {
        let _envoy = Other::run("envoy", "127.0.0.1:15000");
        // Of this thread alone.
        let asked = thread::spawn(|| {
            let nobody = Uid::from_raw(NOBODY);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may");
            conflicts(&ports())
        });
        let found = asked.join().expect("it asks");
        let [conflict] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            conflict.to_string(),
            "port 15000 (Envoy's administration) at 127.0.0.1 is taken by a process of user root (uid 0)"
        );
        assert_eq!(conflict.hint(), "to see it: sudo ss -ltnp 'sport = :15000'");
    });
}

#[test]
fn only_a_live_server_at_the_sds_socket_is_a_conflict() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("socket");
    let asked = || preflight::check(&[], Some(&socket));
    assert_eq!(asked(), Ok(()), "nothing is there");
    let agent = Other::run("pilot-agent", socket.to_str().expect("a plain path"));
    let pid = agent.pid();
    let found = asked().expect_err("it is served");
    let [conflict] = found.as_slice() else { panic!("{found:?}") };
    let expected = format!("the SDS socket {} is taken by pilot-agent (pid {pid}, ", socket.display());
    assert!(conflict.to_string().starts_with(&expected), "{conflict}");
    drop(agent);
    assert!(socket.exists());
    assert_eq!(asked(), Ok(()), "what is left behind");
    fs::write(directory.path().join("file"), "").expect("writable");
    assert_eq!(preflight::check(&[], Some(&directory.path().join("file"))), Ok(()));
    let long = PathBuf::from("/").join("x".repeat(200));
    assert_eq!(preflight::check(&[], Some(&long)), Ok(()));
}

#[test]
fn a_server_that_does_not_accept_is_live_and_is_not_waited_for() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("socket");
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let new = || socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a socket");
    let address = SocketAddrUnix::new(&path).expect("a short path");
    let server = new();
    bind(&server, &address).expect("free");
    listen(&server, 1).expect("bound");
    let mut queue = Vec::new();
    loop {
        let client = new();
        if connect(&client, &address).is_err() {
            break;
        }
        queue.push(client);
    }
    let before = Instant::now();
    let found = preflight::check(&[], Some(&path)).expect_err("it is served");
    assert!(before.elapsed() < Duration::from_secs(1));
    let [Conflict { holder: Holder::Unknown, .. }] = found.as_slice() else { panic!("{found:?}") };
}

#[test]
fn says_all_conflicts_at_once() {
    in_own_network("says_all_conflicts_at_once", || {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(said(directory.path()), [""; 0]);
        let socket = directory.path().join("socket");
        let _agent = Other::run("pilot-agent", &format!("[::]:15020 {}", socket.display()));
        let _envoy = Other::run("envoy", "0.0.0.0:15090 127.0.0.1:15000");
        let said = said(directory.path());
        let starts: Vec<_> =
            said.iter().map(|text| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(starts, ["port 15000", "port 15020", "port 15090", "the SDS"]);
    });
}
