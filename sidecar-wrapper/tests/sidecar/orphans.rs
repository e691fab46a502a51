//! Whatever the sidecar starts ends with it, however it ends. A script stands in for Envoy, which starts nothing itself.

use crate::place::{Place, Wrapper};

/// A stand-in for Envoy: it leaves processes in all the ways there are. `left-over` is a `sleep` that has a name of its own, since a shell's
/// or a sleep's could be anybody's.
const STAND_IN: &str = r#"#!/bin/bash
# A stand-in for Envoy.
cd "$(dirname "$0")"
# A child, a grandchild, and one whose parent is gone.
./left-over 9001 &
bash -c './left-over 9002 & wait' &
bash -c './left-over 9003 &'
# A daemon: a session of its own, twice over.
setsid bash -c 'setsid ./left-over 9004 & exit'
# One that does not end for the asking.
./left-stubborn &
# One that starts others all the time, also while it is killed.
./left-forking &
touch running
wait
"#;
const STUBBORN: &str = "#!/bin/bash\ntrap '' TERM INT HUP\nwhile :; do sleep 0.2; done\n";
const FORKING: &str = "#!/bin/bash\nwhile :; do setsid ./left-over 9005 & sleep 0.02; done\n";

const ANY_LEFT: &str = "pgrep '^left-'";

fn start(args: &[&str]) -> (Place, Wrapper) {
    let place = Place::new();
    place.replace("usr/local/bin/envoy", STAND_IN);
    place.replace("usr/local/bin/left-stubborn", STUBBORN);
    place.replace("usr/local/bin/left-forking", FORKING);
    let bin = place.root().join("usr/local/bin");
    place.namespace.run(&format!("cp /bin/sleep {}/left-over", bin.display()));
    let wrapper = place.run(args);
    place.namespace.wait_until(&format!("test -e {}/running && test $({ANY_LEFT} | wc -l) -gt 10", bin.display()));
    (place, wrapper)
}

#[track_caller]
fn assert_nothing_is_left(place: &Place, wrapper: &Wrapper) {
    let all = "sidecar-wrapper|sidecar-keeper|envoy|left-.*";
    place.namespace.wait_until(&format!("! pgrep -x '{all}' 2>&-"));
    // Nor does anything come.
    let (found, what) = place.namespace.try_run(&format!("sleep 0.5; pgrep -lx '{all}' 2>&-"));
    assert!(!found, "{what}{}", wrapper.log());
    place.namespace.wait_until("! ps -e -o stat= | grep -q ^Z");
}

#[test]
fn nothing_is_left_after_a_stop() {
    let (place, mut wrapper) = start(&[]);
    place.signal("TERM");
    assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
    // Not a moment later, as in the other cases: whoever waits for the wrapper may start the next.
    let (found, what) = place.namespace.try_run("pgrep -lx 'sidecar-keeper|envoy|left-.*' 2>&-");
    assert!(!found, "{what}{}", wrapper.log());
    assert_nothing_is_left(&place, &wrapper);
}

#[test]
fn nothing_is_left_when_the_wrapper_is_killed() {
    let (place, mut wrapper) = start(&[]);
    place.signal("KILL");
    assert_eq!(wrapper.exit_code(), None);
    assert_nothing_is_left(&place, &wrapper);
}

#[test]
fn nothing_is_left_when_the_keeper_is_killed() {
    let (place, mut wrapper) = start(&["--restarts", "0"]);
    place.namespace.run("pkill -KILL -x sidecar-keeper");
    assert_eq!(wrapper.exit_code(), Some(75), "{}", wrapper.log());
    assert_nothing_is_left(&place, &wrapper);
}

#[test]
fn nothing_is_left_when_the_main_process_crashes() {
    for signal in ["KILL", "SEGV"] {
        let (place, mut wrapper) = start(&["--restarts", "0"]);
        place.namespace.run(&format!("pkill -{signal} -x envoy"));
        assert_eq!(wrapper.exit_code(), Some(75), "{}", wrapper.log());
        assert_nothing_is_left(&place, &wrapper);
    }
}

/// What is left must not be there when the next one starts.
#[test]
fn nothing_of_the_one_before_is_left_when_it_is_started_again() {
    let (place, wrapper) = start(&[]);
    let first = place.namespace.run(ANY_LEFT);
    let running = place.root().join("usr/local/bin/running");
    std::fs::remove_file(&running).expect("it runs");
    place.namespace.run("pkill -KILL -x envoy");
    place.namespace.wait_until(&format!("test -e {}", running.display()));
    let now = place.namespace.run(ANY_LEFT);
    let both: Vec<_> = first.lines().filter(|pid| now.lines().any(|other| other == *pid)).collect();
    assert_eq!(both, [""; 0]);
    place.signal("TERM");
    assert_nothing_is_left(&place, &wrapper);
}

/// When the wrapper and the keeper are killed at once, nobody is there to look for grandchildren. The main process alone is promised
/// to end, by the signal that the kernel sends it for its parent's death. Within a service, systemd kills the others.
#[test]
fn the_main_process_ends_when_wrapper_and_keeper_are_killed_at_once() {
    let (place, mut wrapper) = start(&[]);
    place.namespace.run("pkill -KILL -f sidecar-wrapper");
    assert_eq!(wrapper.exit_code(), None);
    place.namespace.wait_until("! pgrep -x 'envoy|sidecar-keeper|sidecar-wrapper' 2>&-");
}
