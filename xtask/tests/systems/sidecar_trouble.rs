//! The sidecar's service where something goes wrong.

use testkit::machine::Machine;

use super::{
    services::is_live,
    sidecar::{assert_nothing_runs, drop_in, installed, journal, property, run_bootstrap, with_workload},
};

/// The unit waits for ten seconds, and a test has no time.
const SOON: &str = "RestartSec=1";

/// A script in which `systemctl start` fails, and long before its time is up.
const FAILS_AT_ONCE: &str = "SECONDS=0; if systemctl start istio; then exit 1; fi; test $SECONDS -lt 20";

fn processes(machine: &Machine) -> Vec<String> {
    machine.run("pgrep -u istio-proxy").lines().map(str::to_owned).collect()
}

/// All of `before` are gone, others run instead, and nothing runs twice.
#[track_caller]
fn assert_all_new(machine: &Machine, before: &[String], how: &str) {
    let first = before[0].as_str();
    machine.wait_until(&format!("! kill -0 {first} 2>&- && systemctl is-active --quiet istio"));
    is_live(machine);
    let now = processes(machine);
    assert!(now.iter().all(|pid| !before.contains(pid)), "{how}: {before:?} {now:?}");
    assert_eq!(now.len(), 3, "{how}");
}

#[test]
fn whatever_is_killed_nothing_old_is_left_and_it_comes_back() {
    let machine = installed();
    drop_in(&machine, "soon", SOON);
    // A wrapper that does not run any more does not tell the watchdog that it does.
    drop_in(&machine, "watchdog", "WatchdogSec=3");
    machine.run("systemctl start istio");
    for (how, kill) in [
        ("all of the unit", "systemctl kill -s KILL istio"),
        ("the main process", "kill -KILL $(systemctl show --property=MainPID --value istio)"),
        ("a wrapper that hangs", "kill -STOP $(systemctl show --property=MainPID --value istio)"),
    ] {
        let before = processes(&machine);
        machine.run(kill);
        assert_all_new(&machine, &before, how);
    }
    assert_eq!(property(&machine, "NRestarts"), "3");
    let said = journal(&machine);
    assert!(said.contains("Watchdog timeout (limit 3s)!"), "{said}");
    machine.run("systemctl stop istio");
    assert_nothing_runs(&machine);
}

#[test]
fn a_hangup_of_the_whole_unit_ends_nothing() {
    let machine = installed();
    machine.run("systemctl start istio");
    let before = processes(&machine);
    machine.run("systemctl kill -s HUP istio");
    machine.wait_until("journalctl --unit=istio | grep -q 'the log files are opened again'");
    machine.run("sleep 1; curl -sf http://localhost:15000/ready");
    assert_eq!(processes(&machine), before);
    // Envoy says itself what it does about it.
    let said = journal(&machine);
    assert!(said.contains("caught and eating SIGHUP"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_said_at_once_and_had_when_it_is_free() {
    let machine = installed();
    drop_in(&machine, "soon", SOON);
    machine.run(
        "systemd-run --quiet --unit=holder --uid=daemon python3 -m http.server 15021 --bind 127.0.0.1\n\
         for attempt in $(seq 100); do curl -so /dev/null http://127.0.0.1:15021/ && break; sleep 0.1; done",
    );
    machine.run(FAILS_AT_ONCE);
    let said = journal(&machine);
    // The unit hides processes of other users, and the kernel tells whose socket it is.
    let expected = "port 15021 (Envoy's health) at 127.0.0.1 is taken by a process of user daemon (uid 1)";
    assert!(said.contains(expected) && said.contains("sudo ss -ltnp 'sport = :15021'"), "{said}");
    assert_eq!(property(&machine, "ExecMainStatus"), "69");
    machine.run("systemctl stop holder");
    is_live(&machine);
}

#[test]
fn a_bootstrap_that_envoy_rejects_is_an_error_in_its_own_words() {
    let machine = installed();
    run_bootstrap(&machine, "static_resources: { listeners: [{ name: nowhere }] }\n");
    machine.run(FAILS_AT_ONCE);
    assert_eq!(property(&machine, "ExecMainStatus"), "65");
    let errors = machine.run("journalctl --sync; journalctl --unit=istio --priority=err --output=cat --no-pager");
    assert!(errors.contains("error adding listener named 'nowhere': address is necessary"), "{errors}");
    assert!(errors.contains("Envoy did not accept what it was started with: see its lines above"), "{errors}");
    // Tried again it is, since a file can be mended; but not in a storm.
    machine.run("sleep 3");
    assert_eq!(property(&machine, "NRestarts"), "0");
    assert_eq!(property(&machine, "SubState"), "auto-restart");
    run_bootstrap(&machine, "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }\n");
    is_live(&machine);
}

/// Listeners from a server that never answers.
const NOT_READY: &str = "\
node: { id: x, cluster: x }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }
dynamic_resources:
  lds_config:
    initial_fetch_timeout: 0s
    resource_api_version: V3
    api_config_source: { api_type: GRPC, transport_api_version: V3, grpc_services: [{ envoy_grpc: { cluster_name: mesh } }] }
static_resources:
  clusters:
  - name: mesh
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    load_assignment:
      cluster_name: mesh
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 1 } } } }] }]
";

#[test]
fn a_sidecar_that_is_never_ready_is_waited_for_as_long_as_the_unit_says_and_no_package_waits_longer() {
    let machine = installed();
    run_bootstrap(&machine, NOT_READY);
    drop_in(&machine, "limit", "TimeoutStartSec=8\nRestartSec=1");
    machine.run("systemctl start --no-block istio");
    machine.wait_until(
        "systemctl show --property=StatusText istio | grep -qx 'StatusText=starting: Envoy says: INITIALIZING'",
    );
    assert_eq!(property(&machine, "ActiveState"), "activating");
    let (ready, status) = machine.try_run("runuser -u daemon sidecar-wrapper status");
    assert!(!ready && status.contains("INITIALIZING"), "{status}");
    machine.run("if systemctl start istio; then exit 1; fi");
    let said = journal(&machine);
    assert!(said.contains("stopping Envoy, which has not been ready: it says: INITIALIZING"), "{said}");
    assert!(said.contains("start operation timed out"), "{said}");

    drop_in(&machine, "limit", "TimeoutStartSec=infinity");
    machine.run("systemctl restart --no-block istio");
    let text = machine.run("timeout 70 apt-get install -y --reinstall ./sidecar.deb 2>&1");
    assert!(text.contains("the sidecar is not ready again: see systemctl status istio"), "{text}");
    // It is still tried.
    assert_eq!(property(&machine, "ActiveState"), "activating");
    run_bootstrap(&machine, "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }\n");
    machine.run("systemctl restart istio");
}

#[test]
fn what_is_in_flight_is_answered_before_an_upgrade_replaces_what_runs() {
    let machine = with_workload();
    machine.run("systemctl start istio");
    for package in ["other-sidecar", "sidecar"] {
        let before = processes(&machine);
        machine.run(&format!(
            "(while sleep 0.2; do curl -s -H 'x-envoy-fault-delay-request: 4000' http://127.0.0.1:8080/ && echo; done) > answers & clients=$!\n\
             sleep 1\napt-get install -y ./{package}.deb\ncurl -sf http://localhost:15000/ready\nkill $clients\n\
             test \"$(head -n 1 answers)\" = served"
        ));
        assert_all_new(&machine, &before, package);
    }
    machine.run("apt-get remove -y istio-sidecar");
    assert_nothing_runs(&machine);
}
