//! Processes that really end, and a kernel that really runs out of memory.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use rustix::process::{Pid, WaitOptions, waitpid};
use sidecar_wrapper::ending::{Ending, MemoryWatch, OutOfMemory};

/// Set for a process that has little memory.
const INSIDE: &str = "ENDING_TEST_INSIDE";
/// For this program to run, and far too little for its child.
const LITTLE: &str = "67108864";

#[expect(clippy::zombie_processes, reason = "it is waited for by its number, as the wrapper does")]
fn ending_of(script: &str) -> Ending {
    let child = Command::new("sh").args(["-c", script]).spawn().expect("sh is there");
    let pid = Pid::from_child(&child);
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).expect("our own child").expect("it ended");
    Ending::from_raw(status.as_raw()).expect("it ended")
}

#[test]
fn tells_how_a_process_ended() {
    assert_eq!(ending_of("exit 3"), Ending::Exited(3));
    assert_eq!(ending_of("kill -TERM $$").to_string(), "was killed by SIGTERM");
    assert_eq!(ending_of("ulimit -c 0; kill -SEGV $$"), Ending::Killed { signal: 11, core: false });
}

/// A cgroup with little memory, of whichever version looks after memory here. Only root can have one.
struct SmallCgroup(PathBuf);

impl SmallCgroup {
    fn new() -> Self {
        let name = format!("sidecar-wrapper-test-{}", process::id());
        let v1 = Path::new("/sys/fs/cgroup/memory");
        let (parent, limit) = if v1.is_dir() {
            (v1, "memory.limit_in_bytes")
        } else {
            let v2 = Path::new("/sys/fs/cgroup");
            fs::write(v2.join("cgroup.subtree_control"), "+memory").expect("only root can have a cgroup");
            (v2, "memory.max")
        };
        let cgroup = Self(parent.join(name));
        fs::create_dir(&cgroup.0).expect("only root can have a cgroup");
        fs::write(cgroup.0.join(limit), LITTLE).expect("a limit");
        cgroup
    }
}

impl Drop for SmallCgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn tells_that_the_kernel_killed_for_want_of_memory() {
    const NAME: &str = "tells_that_the_kernel_killed_for_want_of_memory";
    if env::var_os(INSIDE).is_some() {
        return run_out_of_memory();
    }
    let watch = MemoryWatch::now();
    let cgroup = SmallCgroup::new();
    let this = env::current_exe().expect("a test's program");
    let mut inside = Command::new("sh");
    inside.arg("-c").arg(r#"echo $$ > "$0"/cgroup.procs && exec "$@""#).arg(&cgroup.0).arg(this);
    let ended = inside.args(["--exact", NAME, "--nocapture"]).env(INSIDE, "yes").output().expect("sh is there");
    let text = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(watch.since(), Some(OutOfMemory::Somewhere), "out here it was another cgroup");
}

fn run_out_of_memory() {
    let watch = MemoryWatch::now();
    assert_eq!(ending_of("kill -KILL $$").to_string(), "was killed by SIGKILL");
    assert_ne!(watch.since(), Some(OutOfMemory::Here), "it was somebody's signal");
    // A line without end; the kernel shall take it rather than this program.
    let script = "echo 1000 > /proc/self/oom_score_adj; exec tail /dev/zero";
    assert_eq!(ending_of(script), Ending::Killed { signal: 9, core: false });
    assert_eq!(watch.since(), Some(OutOfMemory::Here));
}
