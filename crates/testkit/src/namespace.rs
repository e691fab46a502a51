//! A network and process IDs of one's own, without booting anything: ports are free, and what is left over can be counted.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process::Daemon;

/// It reaps what is left to it, as any init does; and it ends with the value, with all that runs in it.
const INIT: &str = "ip link set lo up\ntouch \"$1\"\nwhile :; do sleep 1000 & wait; done";
const DEADLINE: Duration = Duration::from_secs(20);

/// See above. Files are the machine's.
#[derive(Debug)]
pub struct Namespace {
    _daemon: Daemon,
    init: String,
    _dir: TempDir,
}

impl Namespace {
    /// Needs root.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let up = dir.path().join("up");
        let mut command = Command::new("unshare");
        command.args(["--net", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "bash", "-c", INIT, "init"]);
        let mut daemon = Daemon::start(command.arg(&up), &dir.path().join("log"));
        daemon.wait(|| up.exists());
        // `setpriv` became `unshare`, whose only child is the init.
        let unshare = daemon.pid();
        let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        let init = children.expect("it runs").trim().to_owned();
        Self { _daemon: daemon, init, _dir: dir }
    }

    /// What `/proc/<pid>/ns/pid` leads to for all of its processes.
    #[must_use]
    pub fn pids(&self) -> PathBuf {
        std::fs::read_link(format!("/proc/{}/ns/pid", self.init)).expect("it runs")
    }

    /// A command of it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init, "--net", "--pid", "--mount", "--"]).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a script; it must succeed. Gives all that it printed.
    #[expect(clippy::must_use_candidate, reason = "most scripts are run for what they do")]
    pub fn run(&self, script: &str) -> String {
        let (ok, text) = self.try_run(script);
        assert!(ok, "{script}: {text}");
        text
    }

    /// Whether a script succeeds, and all that it printed.
    #[must_use]
    pub fn try_run(&self, script: &str) -> (bool, String) {
        let output = self.command("bash").args(["-ec", script]).output().expect("nsenter is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }

    /// Waits until a condition of the shell holds.
    pub fn wait_until(&self, condition: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.try_run(condition).0 {
            assert!(Instant::now() < end, "it never held: {condition}\n{}", self.run("ps -e -o pid,ppid,stat,args"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The names of all processes, without those of the namespace itself, in order.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        let all = self.run("ps -e -o pid=,ppid=,comm= | awk '$1 != 1 && !($2 == 1 && $3 == \"sleep\") && $3 != \"ps\" && $3 != \"awk\"'");
        let mut names: Vec<_> =
            all.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
        // The shell that asks.
        names.retain(|name| name != "bash");
        names.sort();
        names
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for a process to end, but not for ever; gives its exit code.
#[must_use]
pub fn exit_code(child: &mut Child, log: &Path) -> Option<i32> {
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        match child.try_wait().expect("it is ours") {
            Some(status) => return status.code(),
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            None => panic!("it does not end: {}", std::fs::read_to_string(log).unwrap_or_default()),
        }
    }
}
