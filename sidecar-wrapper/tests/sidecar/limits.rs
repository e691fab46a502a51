//! A system that gives no more threads, as at the limit of tasks of a service or of a user's processes.

use std::{thread, time::Duration};

use crate::place::Place;

/// Those that there are go on. A program's limits are its user's to change.
fn refuse_threads(place: &Place) {
    let setpriv = "setpriv --reuid 4242 --regid 4242 --clear-groups";
    place.namespace.run(&format!("{setpriv} prlimit --nproc=1: --pid $(pgrep -x sidecar-wrapper)"));
}

#[test]
fn a_sidecar_is_looked_after_and_drained_without_any_new_thread() {
    let place = Place::new();
    let mut wrapper = place.run_live_unprivileged(&[]);
    wrapper.wait_for_log("is ready after", 1);
    refuse_threads(&place);
    // Longer than between two questions.
    thread::sleep(Duration::from_secs(12));
    assert!(wrapper.runs(), "{}", wrapper.log());
    assert!(place.status().0, "{}", place.status().1);
    place.namespace.run("pkill -STOP -x envoy");
    wrapper.wait_for_log("is no longer ready", 1);
    place.namespace.run("pkill -CONT -x envoy");
    wrapper.wait_for_log("is ready after", 2);
    let log = place.stop(wrapper);
    assert!(log.contains("draining Envoy") && !log.contains("cannot drain") && !log.contains("panicked"), "{log}");
}

#[test]
fn an_envoy_that_cannot_be_started_for_want_of_threads_comes_with_a_hint() {
    let place = Place::new();
    let mut wrapper = place.run_live_unprivileged(&["--restarts", "1"]);
    wrapper.wait_for_log("is ready after", 1);
    refuse_threads(&place);
    place.namespace.run("pkill -KILL -x envoy");
    assert_eq!(wrapper.exit_code(), Some(75), "{}", wrapper.log());
    let log = wrapper.log();
    assert!(log.contains("cannot start Envoy: Resource temporarily unavailable"), "{log}");
    assert!(log.contains("hint: ") && log.contains("TasksMax="), "{log}");
    assert!(log.contains("giving up") && !log.contains("ended by itself again"), "{log}");
}
