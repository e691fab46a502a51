//! A stream that says nothing costs nothing. Alone in its program: it looks at the program's threads.

use std::{fs, io::Write, sync::Arc, thread, time::Duration};

use sidecar_wrapper::relay::{self, Destination, Output, Relay, Stream};

/// How often threads of that name were woken, together.
fn wakeups(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("there");
    let statuses = tasks.map(|task| fs::read_to_string(task.expect("readable").path().join("status")).expect("alive"));
    let ours = statuses.filter(|status| status.lines().next().is_some_and(|line| line.ends_with(name)));
    ours.map(|status| {
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("counted");
        count.trim().parse::<u64>().expect("a number")
    })
    .sum()
}

#[test]
fn silence_wakes_nobody() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let output = Output::open(&Destination::File(dir.path().join("log")), None).expect("to be opened");
    let (reader, writer) = relay::pipe().expect("a pipe");
    let _relay = Relay::start(reader, Stream::Stdout, Arc::clone(&output), output).expect("a thread");
    let mut child = fs::File::from(writer);
    // The start of a line is no reason to wake up either.
    child.write_all(b"line\nbegun").expect("read by the relay");
    thread::sleep(Duration::from_millis(300));
    let before = wakeups("relay-stdout");
    assert!(before > 0, "no thread of that name");
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(wakeups("relay-stdout"), before);
}
