//! The program, started for one test.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::tree::Tree;

/// Ends with the value.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// Health and metrics.
    pub(crate) ops: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `tree` in the open, on two threads.
    pub(crate) fn start(tree: &Tree) -> Self {
        Self::with(tree, &[])
    }

    pub(crate) fn with(tree: &Tree, flags: &[&str]) -> Self {
        let mut command = Self::command(flags);
        command.arg("--dir").arg(tree.path());
        Self::spawn(command)
    }

    /// A server that still has to be told what to serve.
    pub(crate) fn command(flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repo-server"));
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

    pub(crate) fn spawn(mut command: Command) -> Self {
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

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }

    /// Waits until something holds; every wait here ends.
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < end, "never {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A counter or gauge; one with labels is not there before it is counted.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = super::raw::get(self.ops, "/metrics").text();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        if let Some(number) = lines.next() {
            return number.parse().expect("a number");
        }
        assert!(name.ends_with('}'), "no {name} in {text}");
        0
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid]).status();
        assert!(sent.expect("sh is there").success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = self.process.wait().expect("our child");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it only copies");
        }
        status
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.try_wait().expect("our child").is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program of the machine in a folder; a missing one is a failure.
pub(crate) fn run(dir: &std::path::Path, program: &str, args: &[&str]) -> (bool, String) {
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
