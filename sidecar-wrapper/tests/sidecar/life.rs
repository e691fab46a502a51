//! From the start to the end, with Envoy alone.

use crate::place::Place;

#[test]
fn envoy_runs_at_the_documented_ports_and_ends_when_told() {
    let place = Place::new();
    let wrapper = place.run_live(&[]);
    assert_eq!(place.namespace.run("curl -sf http://localhost:15021/healthz/ready"), "LIVE\n");
    // Envoy writes its statistics every few seconds.
    place
        .namespace
        .wait_until("curl -sf http://localhost:15090/stats/prometheus | grep -Eq '^envoy_server_live(\\{\\})? 1$'");
    let log = place.stop(wrapper);
    assert!(log.contains("Envoy ended with code 0"), "{log}");
}

#[test]
fn an_envoy_that_is_killed_is_started_again() {
    let place = Place::new();
    let wrapper = place.run_live(&[]);
    place.namespace.run("pkill -KILL -x envoy");
    place.namespace.wait_until("! curl -sf http://localhost:15000/ready");
    place.wait_live(&wrapper);
    let log = place.stop(wrapper);
    assert!(log.contains("Envoy was killed by SIGKILL"), "{log}");
}

/// The wrapper, what keeps its processes together, or both at once: what they started ends with them.
#[test]
fn whatever_is_killed_nothing_is_left() {
    for whom in ["-x sidecar-wrapper", "-f sidecar-wrapper"] {
        let place = Place::new();
        let mut wrapper = place.run_live(&[]);
        place.namespace.run(&format!("pkill -KILL {whom}"));
        wrapper.exit_code();
        place.namespace.wait_until("! pgrep -x envoy && ! pgrep -x sidecar-keeper");
        place.assert_nothing_runs();
    }
}

/// And not the last of the stack frames that Envoy prints then.
#[test]
fn the_last_error_of_a_crash_is_its_reason() {
    let place = Place::new();
    let wrapper = place.run_live(&[]);
    place.namespace.run("pkill -SEGV -x envoy");
    wrapper.wait_for_log("its last error: ", 1);
    let log = wrapper.log();
    let said = log.lines().find(|line| line.contains("its last error: ")).expect("it was printed");
    assert!(said.contains("[critical][backtrace]") && said.contains("Caught Segmentation fault"), "{log}");
    assert!(log.contains("#1: "), "there are frames: {log}");
    place.wait_live(&wrapper);
    place.stop(wrapper);
}
