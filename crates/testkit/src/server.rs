//! The program, started for one test.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{raw, tree::Tree};

/// Ends with the value.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Where it serves.
    pub address: SocketAddr,
    /// Health and metrics.
    pub ops: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `tree` in the open, on two threads.
    #[must_use]
    pub fn start(tree: &Tree) -> Self {
        Self::with(tree, &[])
    }

    /// With more flags.
    #[must_use]
    pub fn with(tree: &Tree, flags: &[&str]) -> Self {
        let mut command = Self::command(flags);
        command.arg("--dir").arg(tree.path());
        Self::spawn(command)
    }

    /// A server that still has to be told what to serve.
    #[must_use]
    pub fn command(flags: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--ops-listen",
                "127.0.0.1:0",
                "--threads",
                "2",
                "--log",
                "json",
            ])
            .args(flags);
        command
    }

    /// Waits until it listens.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        // Nobody reads the access log here, and it must not fill the pipe.
        let mut stdout = process.stdout.take().expect("piped");
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let log = Arc::new(Mutex::new(String::new()));
        let (mut address, mut ops) = (None, None);
        while address.is_none() || ops.is_none() {
            let line = lines.next().unwrap_or_else(|| panic!("no server: {}", log.lock().expect("not poisoned")));
            log.lock().expect("not poisoned").push_str(&(line.clone() + "\n"));
            let Ok(event) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
            let found = event["fields"]["address"].as_str().and_then(|address| address.parse().ok());
            match event["fields"]["message"].as_str() {
                Some("listening") => address = found,
                Some("health and metrics") => ops = found,
                _ => {}
            }
        }
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines {
                kept.lock().expect("not poisoned").push_str(&(line + "\n"));
            }
        });
        Self { process, address: address.expect("said"), ops: ops.expect("said"), log, reader: Some(reader) }
    }

    /// Of a path, in the open.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it said on stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }

    /// Waits until something holds; every wait here ends.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.wait_within(Duration::from_secs(20), what, holds);
    }

    /// For what takes longer than most.
    pub fn wait_within(&self, patience: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + patience;
        while !holds(self) {
            assert!(Instant::now() < end, "never {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A counter or gauge; one with labels is not there before it is counted.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        let text = raw::get(self.ops, "/metrics").text();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        if let Some(number) = lines.next() {
            return number.parse().expect("a number");
        }
        assert!(name.ends_with('}'), "no {name} in {text}");
        0
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid]).status();
        assert!(sent.expect("sh is there").success());
    }

    /// Until it ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.process.wait().expect("our child");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it only copies");
        }
        status
    }

    /// Memory that is there at the moment, in bytes.
    #[must_use]
    pub fn resident_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Whether the process lives.
    #[must_use]
    pub fn is_alive(&mut self) -> bool {
        self.process.try_wait().expect("our child").is_none()
    }
}

/// What cargo built for the test that runs: it says so to the tests of the package alone.
fn program() -> std::ffi::OsString {
    std::env::var_os("CARGO_BIN_EXE_repo-server").expect("only the tests of repo-server start it")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program of the machine in a folder; a missing one is a failure.
#[must_use]
pub fn run(dir: &std::path::Path, program: &str, args: &[&str]) -> (bool, String) {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; have you run `cargo xtask test --setup`?"));
    let mut stderr = child.stderr.take().expect("piped");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut text = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut text).expect("text");
    let status = child.wait().expect("our child");
    (status.success(), text + &errors.join().expect("it only reads"))
}
