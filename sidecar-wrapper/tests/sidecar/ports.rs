//! Ports and sockets that somebody else has.

use crate::place::Place;

/// Takes a port as soon as it is free.
const HOLDER: &str = "import socket, sys, time
s = socket.socket()
while True:
    try:
        s.bind(('0.0.0.0', int(sys.argv[1])))
        s.listen()
        break
    except OSError:
        pass
open(sys.argv[2], 'w').close()
time.sleep(1000)
";

fn hold(place: &Place, port: u16) {
    wants(place, port);
    place.namespace.wait_until(&format!("test -e {}", place.file("up").display()));
    std::fs::remove_file(place.file("up")).expect("it was made");
}

fn wants(place: &Place, port: u16) {
    let script = place.write("holder.py", HOLDER);
    let up = place.file("up");
    place.namespace.run(&format!("/usr/bin/python3 {} {port} {} >/dev/null 2>&1 &", script.display(), up.display()));
}

#[test]
fn each_port_that_is_taken_is_named_with_its_holder() {
    for (port, purpose) in [(15000, "Envoy's administration"), (15021, "Envoy's health"), (15090, "Envoy's metrics")] {
        let place = Place::new();
        hold(&place, port);
        let pid = place.namespace.run("pgrep -x python3");
        let mut wrapper = place.run(&[]);
        assert_eq!(wrapper.exit_code(), Some(69), "{}", wrapper.log());
        let log = wrapper.log();
        let expected =
            format!("cannot start Envoy: port {port} ({purpose}) at 0.0.0.0 is taken by python3 (pid {}", pid.trim());
        assert!(log.contains(&expected) && log.contains("hint: "), "{log}");
        assert!(!log.contains("[main]"), "Envoy was started all the same: {log}");
        assert_eq!(place.namespace.processes(), ["python3"]);
    }
}

#[test]
fn all_that_is_taken_is_said_at_once() {
    let place = Place::new();
    for port in [15000, 15090] {
        hold(&place, port);
    }
    let mut wrapper = place.run(&[]);
    assert_eq!(wrapper.exit_code(), Some(69));
    let log = wrapper.log();
    assert!(log.contains("port 15000 ") && log.contains("port 15090 "), "{log}");
}

#[test]
fn a_second_wrapper_names_the_first() {
    let place = Place::new();
    let first = place.run_live(&[]);
    let pid = place.namespace.run("pgrep -x sidecar-wrapper").trim().to_owned();
    let (code, log) = place.run_to_end(&[]);
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains(&format!("another sidecar-wrapper (pid {pid})")) && log.contains("hint: "), "{log}");
    // Also if it has its status elsewhere: it is the ports, then.
    let elsewhere = place.file("elsewhere");
    let (code, log) = place.run_to_end(&["--runtime-directory", elsewhere.to_str().expect("a folder of tests")]);
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("port 15000") && log.contains("taken by envoy"), "{log}");
    assert!(log.contains(&format!(") of sidecar-wrapper (pid {pid})")), "{log}");
    // Once for its three ports. Its wrapper would start an Envoy that was killed again.
    let hints: Vec<_> = log.lines().filter(|line| line.contains("hint: ")).collect();
    assert!(matches!(hints.as_slice(), [hint] if hint.ends_with(&format!(": kill {pid}"))), "{log}");
    assert!(log.trim_end().ends_with(hints[0]), "hints come last: {log}");
    assert!(place.live());
    place.stop(first);
}

/// What happens between two runs is no reason to end: it may pass.
#[test]
fn a_port_that_is_taken_while_the_sidecar_is_down_is_waited_for() {
    let place = Place::new();
    let wrapper = place.run_live(&[]);
    wants(&place, 15000);
    place.namespace.run("pkill -KILL -x envoy");
    place.namespace.wait_until(&format!("grep -q 'port 15000 .* is taken by python3' {}", place.file("log").display()));
    assert!(!place.status().0);
    place.namespace.run("pkill -KILL -x python3");
    place.wait_live(&wrapper);
    place.stop(wrapper);
}

/// Envoy's `::` is for IPv6 alone, so that who has IPv4's port is not in the way.
#[test]
fn a_listener_for_ipv6_starts_beside_one_for_ipv4() {
    let place = Place::new();
    hold(&place, 8081);
    let bootstrap = |more: &str| {
        let admin = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 15000}}}";
        let address = format!("{{socket_address: {{address: '::', port_value: 8081{more}}}}}");
        let filter =
            "{name: echo, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}";
        let listener = format!("{{name: a, address: {address}, filter_chains: [{{filters: [{filter}]}}]}}");
        let text = format!("{admin}\nstatic_resources: {{listeners: [{listener}]}}\n");
        place.write("envoy.yaml", &text).to_str().expect("a folder of tests").to_owned()
    };
    let wrapper = place.run_live(&["--bootstrap", &bootstrap("")]);
    place.stop_beside(wrapper, &["python3"]);
    let (code, log) = place.run_to_end(&["--bootstrap", &bootstrap(", ipv4_compat: true")]);
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("port 8081 (a listener of the bootstrap) at 0.0.0.0 is taken by python3"), "{log}");
}
