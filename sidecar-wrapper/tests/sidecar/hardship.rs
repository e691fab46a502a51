//! Started in bad ways, and met by what does not happen on a good day.

use crate::place::{Place, Wrapper};

/// How a wrapper ends that is told to, sooner or later.
#[track_caller]
fn ends(place: &Place, mut wrapper: Wrapper) -> String {
    assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
    place.assert_nothing_runs();
    wrapper.log()
}

/// Programs with signalfd(2) block signals, and not all undo it for what they start.
#[test]
fn a_signal_mask_that_it_inherits_holds_nothing_up() {
    let place = Place::new();
    let wrapper = place.run_by(&["env", "--block-signal=TERM,INT"], &[]);
    place.wait_live(&wrapper);
    let blocked = place.namespace.run("grep SigBlk /proc/$(pgrep -x envoy)/status");
    assert_eq!(blocked, "SigBlk:\t0000000000000000\n");
    place.stop(wrapper);
}

/// As it is below programs that want no zombies.
#[test]
fn how_envoy_ended_is_known_where_nobody_waits_for_children() {
    let place = Place::new();
    let wrapper = place.run_by(&["env", "--ignore-signal=CHLD"], &[]);
    place.wait_live(&wrapper);
    place.namespace.run("pkill -SEGV -x envoy");
    wrapper.wait_for_log("Envoy was killed by SIGSEGV", 1);
    place.wait_live(&wrapper);
    place.stop(wrapper);
}

/// A container's first program may have become the wrapper.
#[test]
fn what_was_there_before_it_is_not_its_to_kill() {
    let place = Place::new();
    let wrapper = place.run_by(&["sh", "-c", "sleep 4711 & exec \"$@\"", "sh"], &[]);
    place.wait_live(&wrapper);
    for whom in ["envoy", "sidecar-keeper"] {
        place.namespace.run(&format!("pkill -KILL -x {whom}"));
        place.namespace.wait_until("! curl -sf http://localhost:15000/ready");
        place.wait_live(&wrapper);
        place.namespace.run("pgrep -f '^sleep 4711'");
    }
    place.signal("TERM");
    place.namespace.wait_until("! pgrep -x sidecar-wrapper");
    place.namespace.run("pkill -f '^sleep 4711'");
    let log = ends(&place, wrapper);
    let of_keepers: Vec<&str> = log.lines().filter(|line| line.contains("the keeper was killed")).collect();
    assert!(of_keepers.len() == 1 && of_keepers[0].contains("left 1 processes"), "{log}");
}

/// By a debugger, or by mistake: nothing that it should do is done.
#[test]
fn a_keeper_that_is_stopped_does_not_save_its_envoy() {
    let place = Place::new();
    let wrapper = place.run_live(&["--drain-timeout", "1", "--stop-timeout", "1"]);
    place.namespace.run("pkill -STOP -x sidecar-keeper");
    let log = place.stop(wrapper);
    assert!(log.contains("the keeper does not do it: killing it, too"), "{log}");
}

/// To say each of them takes a second where nobody reads, and the next one comes before that is over.
#[test]
fn a_stream_of_signals_does_not_hold_up_a_deadline() {
    let place = Place::new();
    let pipe = place.file("pipe");
    let full = format!("mkfifo {0}; exec 9<>{0}; head -c 65536 /dev/zero >&9; exec \"$@\" 2>{0}", pipe.display());
    let args = ["--drain-timeout", "1", "--stop-timeout", "1", "--stderr", "/dev/null"];
    let mut wrapper = place.run_by(&["bash", "-c", &full, "bash"], &args);
    place.wait_live(&wrapper);
    place.namespace.run("pkill -STOP -x envoy; pkill -TERM -x sidecar-wrapper");
    place.namespace.run("(while pkill -USR2 -x sidecar-wrapper; do sleep 0.8; done) >/dev/null 2>&1 &");
    assert_eq!(wrapper.exit_code(), Some(0));
    place.namespace.wait_until("! pgrep -x 'envoy|sidecar-keeper'");
}

/// A limit on the size of files, as shells have it.
#[test]
fn a_log_that_may_not_grow_is_no_end() {
    let place = Place::new();
    let log = place.file("envoy.log");
    let args = ["--stderr", log.to_str().expect("a folder of tests"), "--envoy-log-level", "debug"];
    let wrapper = place.run_by(&["sh", "-c", "ulimit -f 8; exec \"$@\"", "sh"], &args);
    wrapper.wait_for_log("cannot write to", 1);
    place.wait_live(&wrapper);
    place.stop(wrapper);
}

/// What it prints is lost, so nobody would know of it any more.
#[test]
fn it_ends_with_its_terminal_unless_nohup_says_otherwise() {
    // Whoever runs these tests may have been started by nohup.
    let cases = [("env --default-signal=HUP", false), ("nohup", true), ("env --ignore-signal=HUP", true)];
    for (by, survives) in cases {
        let place = Place::new();
        let root = place.root();
        let command = format!("{by} {} run --root {}", env!("CARGO_BIN_EXE_sidecar-wrapper"), root.display());
        // `script` has the terminal, and takes it along when it is killed.
        place
            .namespace
            .run(&format!("setsid script --quiet --command '{command}' /dev/null </dev/null >/dev/null 2>&1 &\n"));
        place.namespace.wait_until("curl -sf http://localhost:15000/ready");
        place.namespace.run("pkill -KILL -x script");
        if survives {
            place.namespace.run("sleep 1; curl -sf http://localhost:15000/ready");
            place.signal("TERM");
        }
        place.namespace.wait_until("! pgrep -x 'envoy|sidecar-keeper|sidecar-wrapper'");
    }
}
