//! Logs on a disk that is full. It is mounted, where nobody else sees it.

use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use sidecar_wrapper::relay::{self, Destination, Level, Output, Relay, Stream};

const LONG: Duration = Duration::from_mins(2);
/// Where the test finds its disk, once it runs where it may mount one.
const DISK: &str = "RELAY_TEST_DISK";

/// Runs the test of that name again, with a mount table of its own, as root of its own user namespace where it must.
fn where_disks_can_be_mounted(test: &str, body: impl FnOnce(&Path)) {
    if let Some(disk) = env::var_os(DISK) {
        return body(&PathBuf::from(disk));
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let program = env::current_exe().expect("this program");
    let status =
        unshare.arg("--mount").arg(program).args(["--exact", test, "--nocapture"]).env(DISK, dir.path()).status();
    assert!(status.expect("unshare is there").success(), "see above");
}

fn mount(disk: &Path, options: &str) {
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(disk).status();
    assert!(status.expect("mount is there").success(), "{options}");
}

/// Lines of many lengths, so that the disk is full inside one.
fn line(number: usize) -> String {
    format!("{number} {}\n", "x".repeat(number * 37 % 200))
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let since = Instant::now();
    while !reached() {
        assert!(since.elapsed() < LONG, "no {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn contains(path: &Path, text: &str) -> bool {
    fs::read_to_string(path).expect("there").contains(text)
}

#[test]
fn a_full_disk_costs_no_line_and_tears_none() {
    where_disks_can_be_mounted("a_full_disk_costs_no_line_and_tears_none", |disk| {
        mount(disk, "size=256k");
        let log = disk.join("log");
        let output = Output::open(&Destination::File(log.clone()), None).expect("to be opened");
        let words = tempfile::NamedTempFile::new().expect("a temporary file");
        let fallback = Output::open(&Destination::File(words.path().to_owned()), None).expect("to be opened");
        let (reader, writer) = relay::pipe().expect("a pipe");
        let mut relay =
            Relay::start(reader, Stream::Stdout, Arc::clone(&output), Arc::clone(&fallback)).expect("a thread");
        let mut child = File::from(writer);

        for number in 0..5000 {
            child.write_all(line(number).as_bytes()).expect("read by the relay");
        }
        wait_until("last line", || contains(words.path(), &line(4999)));
        let at_once = fs::read_to_string(&log).expect("written");
        assert!(at_once.ends_with('\n') && at_once.len() > 200_000, "{}", at_once.len());
        // What the wrapper says meanwhile is not lost either.
        output.say(Level::Info, "said to a full disk");
        mount(disk, "remount,size=4m");
        thread::sleep(Duration::from_millis(1100));
        for number in 5000..6000 {
            child.write_all(line(number).as_bytes()).expect("read by the relay");
        }
        // Said when it is so, and not at the run's end.
        wait_until("end of the outage", || contains(words.path(), "can be written to again"));
        drop(child);
        assert!(relay.finish(LONG));

        let log = fs::read_to_string(&log).expect("written");
        let words = fs::read_to_string(words.path()).expect("written");
        let (own, diverted): (Vec<_>, Vec<_>) = words.lines().partition(|line| line.starts_with("sidecar-wrapper: "));
        let (said, kept): (Vec<_>, Vec<_>) = log.lines().partition(|line| line.starts_with("sidecar-wrapper: "));
        assert_eq!(said, ["sidecar-wrapper: said to a full disk"]);
        let mut all: Vec<_> = kept.iter().chain(&diverted).collect();
        all.sort_by_key(|line| line.split_once(' ').and_then(|(number, _)| number.parse::<usize>().ok()));
        assert_eq!(all.len(), 6000);
        assert!(all.iter().enumerate().all(|(number, &&text)| text == line(number).trim_end_matches('\n')));
        assert_eq!(own.len(), 2, "{own:?}");
        assert!(own[0].ends_with("No space left on device (os error 28); its lines follow here"), "{own:?}");
        assert!(own[1].contains(&format!("elsewhere meanwhile: {}, lines dropped: 0", diverted.len())), "{own:?}");
    });
}

#[test]
fn a_line_too_long_for_the_disk_ends_before_the_next() {
    where_disks_can_be_mounted("a_line_too_long_for_the_disk_ends_before_the_next", |disk| {
        mount(disk, "size=256k");
        let log = disk.join("log");
        let output = Output::open(&Destination::File(log.clone()), None).expect("to be opened");
        let (reader, writer) = relay::pipe().expect("a pipe");
        let fallback = Output::from_fd("stderr", writer, None).expect("open");
        let words = thread::spawn(move || {
            let mut words = Vec::new();
            File::from(reader).read_to_end(&mut words).map(|_| words)
        });
        let (reader, writer) = relay::pipe().expect("a pipe");
        let mut relay =
            Relay::start(reader, Stream::Stdout, Arc::clone(&output), Arc::clone(&fallback)).expect("a thread");
        let mut child = File::from(writer);
        child.write_all(&vec![b'x'; 1 << 20]).and_then(|()| child.write_all(b"\n")).expect("read by the relay");
        wait_until("full disk", || fs::metadata(&log).is_ok_and(|log| log.len() >= 128 * 1024));
        thread::sleep(Duration::from_millis(300));
        mount(disk, "remount,size=4m");
        child.write_all(b"next\nlast\n").expect("read by the relay");
        drop(child);
        assert!(relay.finish(LONG));
        drop((relay, output, fallback));
        let log = fs::read_to_string(&log).expect("written");
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines[1..], ["next", "last"]);
        let words = String::from_utf8(words.join().expect("no panic").expect("a pipe")).expect("letters");
        let words: Vec<_> = words.lines().collect();
        assert_eq!(words.len(), 3, "{words:?}");
        assert_eq!(lines[0].len() + words[1].len(), 1 << 20);
        assert!(words[1].bytes().all(|byte| byte == b'x'));
    });
}
