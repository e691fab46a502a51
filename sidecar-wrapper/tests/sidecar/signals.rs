//! Signals: those that mean a stop do it, all others never reach Envoy.

use std::process::Stdio;

use sidecar_wrapper::signals::caught;
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};

use crate::place::Place;

#[test]
fn a_signal_that_is_no_stop_changes_nothing() {
    let place = Place::new();
    let wrapper = place.run_live(&[]);
    wrapper.wait_for_log("is ready after", 1);
    let envoy = place.pid("envoy");
    let (ours, keeper) = (place.pid("sidecar-wrapper"), place.pid("sidecar-keeper"));
    for signal in caught().filter(|signal| ![SIGTERM, SIGINT, SIGQUIT].contains(signal)) {
        // To each, and to its whole group, as terminals do.
        for whom in [&ours, &keeper, &format!("-{ours}"), &format!("-{keeper}")] {
            place.namespace.run(&format!("kill -{signal} -- {whom}"));
        }
    }
    for signal in caught() {
        place.namespace.run(&format!("kill -{signal} {keeper}"));
    }
    // They were heard.
    wrapper.wait_for_log("means nothing here", 1);
    place.wait_live(&wrapper);
    assert_eq!((place.pid("envoy"), place.pid("sidecar-keeper")), (envoy, keeper));
    let log = place.stop(wrapper);
    for envoys in ["caught and eating SIGHUP", "caught SIGUSR1"] {
        assert!(!log.contains(envoys), "it came to Envoy: {log}");
    }
}

#[test]
fn sigint_and_sigquit_are_stops_as_sigterm_is() {
    for signal in ["INT", "QUIT"] {
        let place = Place::new();
        let mut wrapper = place.run_live(&[]);
        place.signal(signal);
        assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
        place.assert_nothing_runs();
    }
}

/// As systemd does with `KillMode=control-group`.
#[test]
fn sigterm_to_all_processes_is_a_stop() {
    let place = Place::new();
    let mut wrapper = place.run_live(&[]);
    wrapper.wait_for_log("is ready after", 1);
    place.namespace.run("pkill -TERM -x 'sidecar-wrapper|sidecar-keeper|envoy'");
    assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
    place.assert_nothing_runs();
}

#[test]
fn a_stop_while_envoy_starts_is_a_stop() {
    let place = Place::new();
    let mut wrapper = place.run(&[]);
    place.namespace.wait_until("pgrep -x envoy");
    place.signal("TERM");
    assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
    place.assert_nothing_runs();
}

#[test]
fn a_stop_while_envoy_waits_to_be_started_again_is_a_stop() {
    let place = Place::new();
    place.replace("usr/local/bin/envoy", "#!/bin/bash\n# A stand-in for Envoy.\nkill -SEGV $$\n");
    let mut wrapper = place.run(&[]);
    wrapper.wait_for_log("again in", 1);
    place.signal("TERM");
    assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
    place.assert_nothing_runs();
}

#[test]
fn it_ends_with_its_stdin_if_it_is_told_to() {
    let place = Place::new();
    let mut wrapper = place.run_with_stdin(&["--until-stdin-ends"], Stdio::piped());
    place.wait_live(&wrapper);
    assert!(wrapper.runs());
    wrapper.end_stdin();
    assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
    place.assert_nothing_runs();
}

/// Its stdin is /dev/null, as a service's is.
#[test]
fn it_does_not_read_its_stdin_unless_it_is_told_to() {
    let place = Place::new();
    let mut wrapper = place.run_live(&[]);
    assert!(wrapper.runs());
    place.stop(wrapper);
}

#[test]
fn an_envoy_that_hangs_is_not_ready_until_it_goes_on() {
    let place = Place::new();
    let mut wrapper = place.run_live(&[]);
    wrapper.wait_for_log("is ready after", 1);
    let envoy = place.pid("envoy");
    place.namespace.run(&format!("kill -STOP {envoy}"));
    wrapper.wait_for_log("no longer ready", 1);
    assert!(wrapper.runs());
    place.namespace.run(&format!("kill -CONT {envoy}"));
    wrapper.wait_for_log("is ready after", 2);
    assert_eq!(place.pid("envoy"), envoy);
    place.stop(wrapper);
}

#[test]
fn an_envoy_that_hangs_is_killed_when_it_should_have_ended() {
    let place = Place::new();
    let wrapper = place.run_live(&["--drain-timeout", "2", "--stop-timeout", "2"]);
    wrapper.wait_for_log("is ready after", 1);
    place.namespace.run("pkill -STOP -x envoy");
    place.stop(wrapper);
}
