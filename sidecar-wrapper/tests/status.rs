//! The status as several processes see it.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rustix::process::{Uid, umask};
use sidecar_wrapper::status::{self, ClaimError, ReadError, Reading, Sidecar, State, Status, StatusFile};
use tempfile::TempDir;

/// Set for a process that has the status of a directory.
const HOLD: &str = "STATUS_TEST_HOLD";
const NOBODY: u32 = 65534;

fn starting() -> Status {
    Status::starting(Sidecar {
        revision: artifact::Revision::new("1-29").expect("valid"),
        istio: "1.29.6".parse().expect("valid"),
        envoy: "1.37.0".parse().expect("valid"),
        pilot_agent: false,
    })
}

fn in_state(state: State) -> Status {
    let mut status = starting();
    status.enter(state, None);
    status
}

/// Where `/run` would be, which everybody may look at.
fn run() -> TempDir {
    let run = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(run.path(), fs::Permissions::from_mode(0o755)).expect("our own");
    run
}

/// Another wrapper, as far as its status goes.
struct Other(Child);

impl Other {
    fn ready(directory: &Path) -> Self {
        let mut process = Command::new(env::current_exe().expect("a test's program"))
            .args(["--exact", "has_the_status_that_it_is_told", "--nocapture"])
            .env(HOLD, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("written")), "it writes");
        Self(process)
    }

    fn kill(mut self) {
        self.0.kill().expect("our own");
        self.0.wait().expect("our own");
    }

    /// Its orderly end.
    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("our own").success());
    }
}

/// Not a test but the other wrapper.
#[test]
fn has_the_status_that_it_is_told() {
    let Some(directory) = env::var_os(HOLD) else { return };
    // As in the unit.
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    let file = StatusFile::claim(Path::new(&directory)).expect("free");
    file.write(&in_state(State::Ready)).expect("writable");
    println!("\nwritten");
    std::io::stdin().lines().for_each(drop);
    file.remove().expect("writable");
    // The harness would write to a pipe that nobody reads.
    process::exit(0);
}

fn command(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sidecar-wrapper"))
        .env_clear()
        .args(["status", "--runtime-directory"])
        .arg(directory)
        .args(arguments)
        .output()
        .expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn follows_a_wrapper_through_its_life() {
    let run = run();
    let directory = run.path().join("istio-sidecar");
    assert_eq!(status::read(&directory).expect("nothing is no error"), Reading::None);
    assert_eq!(command(&directory, &[]), (Some(3), "not running\n".to_owned(), String::new()));

    let wrapper = Other::ready(&directory);
    let pid = wrapper.0.id();
    let Ok(Reading::Running(status)) = status::read(&directory) else { panic!("it runs") };
    assert_eq!((status.state, status.ready, status.wrapper.pid), (State::Ready, true, pid));
    let (code, text, _) = command(&directory, &[]);
    assert_eq!(code, Some(0));
    assert!(text.starts_with("state         ready\nready         yes\nsince         20"), "{text}");

    wrapper.kill();
    let Ok(Reading::Gone { last }) = status::read(&directory) else { panic!("it is gone") };
    assert_eq!(last, status);
    let (code, text, _) = command(&directory, &[]);
    assert_eq!(code, Some(3));
    assert!(text.starts_with(&format!("not running: sidecar-wrapper (pid {pid}) was ended by force")), "{text}");

    let next = Other::ready(&directory);
    assert!(matches!(status::read(&directory), Ok(Reading::Running(status)) if status.wrapper.pid == next.0.id()));
    next.end();
    assert_eq!(status::read(&directory).expect("nothing is no error"), Reading::None);
}

#[test]
fn there_is_one_wrapper_for_a_directory() {
    let run = run();
    let directory = run.path().join("istio-sidecar");
    let other = Other::ready(&directory);
    let error = StatusFile::claim(&directory).expect_err("it is held");
    let lock = directory.join("lock");
    assert_eq!(error.to_string(), format!("another sidecar-wrapper (pid {}) holds {}", other.0.id(), lock.display()));
    assert!(error.hint().is_some_and(|hint| hint.contains("sidecar-wrapper status --runtime-directory /")));
    assert!(matches!(status::read(&directory), Ok(Reading::Running(_))), "its status is untouched");
    other.kill();
    let file = StatusFile::claim(&directory).expect("the kernel gave it back");
    assert_eq!(status::read(&directory).expect("nothing is no error"), Reading::Silent, "what was left is gone");
    let again = StatusFile::claim(&directory).expect_err("by ourselves");
    assert!(matches!(again, ClaimError::Held { pid: None, .. }));
    drop(file);
}

/// A child that outlives the wrapper must not hold its place.
#[test]
fn other_programs_do_not_inherit_the_lock() {
    let run = run();
    let file = StatusFile::claim(run.path()).expect("free");
    let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is there");
    drop(file);
    let claimed = StatusFile::claim(run.path());
    child.kill().expect("our own");
    child.wait().expect("our own");
    claimed.expect("free again");
}

#[test]
fn a_reader_does_not_keep_a_wrapper_from_starting() {
    let run = run();
    drop(StatusFile::claim(run.path()).expect("free"));
    let lock = fs::File::open(run.path().join("lock")).expect("our own");
    lock.try_lock_shared().expect("free");
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            drop(lock);
        });
        StatusFile::claim(run.path()).expect("only read");
    });
}

#[test]
fn readers_never_see_half_a_status() {
    let run = run();
    let file = StatusFile::claim(run.path()).expect("free");
    file.write(&starting()).expect("writable");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..500_usize {
                let mut status = starting();
                status.enter(State::Waiting, Some("x".repeat(round % 7 * 5000)));
                file.write(&status).expect("writable");
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            assert!(matches!(status::read(run.path()), Ok(Reading::Running(_))));
        }
    });
    let names: Vec<_> = fs::read_dir(run.path()).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn everybody_may_read_and_only_the_owner_may_lock() {
    let run = run();
    let directory = run.path().join("istio-sidecar");
    let other = Other::ready(&directory);
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    assert_eq!(mode(&directory), 0o755);
    assert_eq!(mode(&directory.join("status.json")), 0o644);
    assert_eq!(mode(&directory.join("lock")), 0o600);
    // With another umask.
    drop(StatusFile::claim(run.path()).expect("free"));
    assert_eq!(mode(&run.path().join("lock")), 0o600);
    let as_nobody = || {
        let directory = directory.clone();
        let asked = thread::spawn(move || {
            let nobody = Uid::from_raw(NOBODY);
            // Of this thread alone.
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may");
            assert!(fs::File::open(directory.join("lock")).is_err());
            (status::read(&directory).expect("readable"), StatusFile::claim(&directory).err())
        });
        asked.join().expect("it reads")
    };
    let (reading, refused) = as_nobody();
    assert!(matches!(reading, Reading::Running(_)), "{reading:?}");
    let refused = refused.expect("not nobody's");
    assert!(matches!(refused, ClaimError::Lock { .. }) && refused.hint().is_some(), "{refused:?}");
    other.kill();
    assert!(matches!(as_nobody().0, Reading::Gone { .. }));
}

#[test]
fn a_full_file_system_is_an_error_and_the_last_status_stays() {
    const INSIDE: &str = "STATUS_TEST_INSIDE";
    const NAME: &str = "a_full_file_system_is_an_error_and_the_last_status_stays";
    let Some(directory) = env::var_os(INSIDE) else {
        // The mount ends with the namespace.
        let run = run();
        let this = env::current_exe().expect("a test's program");
        let mut inside = Command::new("unshare");
        inside.arg("--mount").arg(this).args(["--exact", NAME, "--nocapture"]).env(INSIDE, run.path());
        let ended = inside.output().expect("unshare is there");
        let text = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && text.contains("1 passed"), "{text}");
        return;
    };
    let directory = Path::new(&directory);
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(directory);
    assert!(mount.status().expect("mount is there").success());
    let file = StatusFile::claim(directory).expect("free");
    let ready = in_state(State::Ready);
    file.write(&ready).expect("there is room");
    let filler = directory.join("filler");
    fs::write(&filler, vec![0; 1 << 20]).expect_err("too much");
    let mut large = in_state(State::Draining);
    large.message = Some("x".repeat(10_000));
    let error = file.write(&large).expect_err("no room");
    assert_eq!(error.to_string(), format!("cannot write {}", directory.join("status.json").display()));
    assert_eq!(status::read(directory).expect("readable"), Reading::Running(ready));
    assert_eq!(fs::read_dir(directory).expect("there").count(), 3, "the lock, the status and what fills it");
    fs::remove_file(filler).expect("there");
    file.write(&large).expect("room again");
    assert_eq!(status::read(directory).expect("readable"), Reading::Running(large));
}

#[test]
fn the_directory_above_must_exist() {
    let run = run();
    let error = StatusFile::claim(&run.path().join("a/b")).expect_err("there is no a");
    assert!(matches!(error, ClaimError::Directory { .. }));
    assert_eq!(error.hint().as_deref(), Some("the directory above it must exist"));
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named_with_a_hint() {
    let run = run();
    let file = run.path().join("file");
    fs::write(&file, "").expect("our own");
    for directory in [file.clone(), file.join("below")] {
        let error = StatusFile::claim(&directory).expect_err("it is no directory");
        assert_eq!(error.hint().as_deref(), Some("name a directory with --runtime-directory"), "{error}");
        let error = status::read(&directory).expect_err("nobody knows");
        assert_eq!(error.hint().as_deref(), Some("name a directory with --runtime-directory"), "{error}");
    }
}

#[test]
fn what_no_wrapper_wrote_is_an_error() {
    let run = run();
    let path = run.path().join("status.json");
    for content in ["", "{", "{}", r#"{"schema": 1}"#] {
        fs::write(&path, content).expect("writable");
        assert!(matches!(status::read(run.path()), Err(ReadError::Content { .. })), "{content}");
    }
    fs::write(&path, r#"{"schema": 2, "state": "dancing"}"#).expect("writable");
    let (code, stdout, stderr) = command(run.path(), &["--json"]);
    assert_eq!((code, stdout.as_str()), (Some(4), ""));
    let expected = format!("error: {} has schema 2, this program reads schema 1\nhint: ask ", path.display());
    assert!(stderr.starts_with(&expected), "{stderr}");
}

#[test]
fn later_versions_may_say_more() {
    let run = run();
    let _file = StatusFile::claim(run.path()).expect("free");
    let status = starting();
    let mut json = serde_json::to_value(&status).expect("plain data");
    json["more"] = "of it".into();
    json["sidecar"]["more"] = "of it".into();
    fs::write(run.path().join("status.json"), json.to_string()).expect("writable");
    assert_eq!(status::read(run.path()).expect("readable"), Reading::Running(status));
}

#[test]
fn the_command_finds_the_directory_and_tells_programs() {
    let run = run();
    let directory = run.path().join("run/istio-sidecar");
    fs::create_dir(run.path().join("run")).expect("writable");
    let file = StatusFile::claim(&directory).expect("free");
    file.write(&in_state(State::Starting)).expect("writable");
    let asked = |variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidecar-wrapper"));
        command.env_clear().args(["status", "--json", "--root"]).arg(run.path());
        command.envs(variable.map(|value| ("RUNTIME_DIRECTORY", value)));
        let output = command.output().expect("the binary starts");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        (output.status.code(), json)
    };
    let (code, json) = asked(None);
    assert_eq!((code, &json["running"], &json["status"]["state"]), (Some(1), &true.into(), &"starting".into()));
    assert_eq!(asked(Some("/run/istio-sidecar:/run/other")).0, Some(1));
    assert_eq!(asked(Some("/run/other")), (Some(3), serde_json::json!({ "schema": 1, "running": false })));
}
