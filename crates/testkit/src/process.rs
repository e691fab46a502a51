//! A server as a process that ends with its value.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    ops::Range,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// What `cargo xtask test` says where the servers are.
const PYTHON_VARIABLE: &str = "SLIPWAY_PYTHON_STORES";
const NODE_VARIABLE: &str = "SLIPWAY_NODE_STORES";
const RUST_VARIABLE: &str = "SLIPWAY_RUST_STORES";

/// On a machine where all cores compile something.
const START_DEADLINE: Duration = Duration::from_secs(90);

const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A program of the stores from `PyPI`.
#[must_use]
pub fn python_tool(name: &str) -> PathBuf {
    tool(PYTHON_VARIABLE, "bin", name)
}

/// A program of the stores from npm.
#[must_use]
pub fn node_tool(name: &str) -> PathBuf {
    tool(NODE_VARIABLE, "node_modules/.bin", name)
}

/// A program of the stores from the Rust registry.
#[must_use]
pub fn rust_tool(name: &str) -> PathBuf {
    tool(RUST_VARIABLE, "bin", name)
}

fn tool(variable: &str, folder: &str, name: &str) -> PathBuf {
    let env = std::env::var_os(variable);
    let env =
        env.unwrap_or_else(|| panic!("{variable} does not name the folder that has {name}: run `cargo xtask test`"));
    let path = Path::new(&env).join(folder).join(name);
    assert!(path.is_file(), "{} is not installed: run `cargo xtask test --setup`", path.display());
    path
}

/// A process that ends with the value, with all processes that it started.
#[derive(Debug)]
pub struct Daemon {
    process: Child,
    log: PathBuf,
}

impl Daemon {
    /// Whatever it says goes to a file called `log`. It must be started by the test's own thread, which it does not survive.
    #[must_use]
    pub fn start(command: &Command, log: &Path) -> Self {
        let file = File::create(log).expect("our own folder");
        let process = until_we_end(command)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("it is open"))
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}: run `cargo xtask test --setup`"));
        Self { process, log: log.to_owned() }
    }

    /// Until `ready` says so, which is asked again and again.
    pub fn wait(&mut self, mut ready: impl FnMut() -> bool) {
        let end = Instant::now() + START_DEADLINE;
        while !ready() {
            let ended = self.process.try_wait().expect("it is ours");
            assert!(ended.is_none() && Instant::now() < end, "it does not answer, {ended:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// To all of its processes.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process_group(Pid::from_child(&self.process), signal).expect("it runs");
    }

    fn said(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// The same command, but the kernel kills it when the thread that starts it is gone, as when this program is killed.
fn until_we_end(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.process);
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let _ = self.process.wait();
    }
}

/// Runs a command that must succeed, and soon; gives what it printed.
#[must_use]
pub fn finish(command: &Command, log: &Path) -> String {
    let mut daemon = Daemon::start(command, log);
    let end = Instant::now() + START_DEADLINE;
    loop {
        match daemon.process.try_wait().expect("it is ours") {
            Some(status) if status.success() => return daemon.said(),
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            status => panic!("{}, {status:?}: {}", log.display(), daemon.said()),
        }
    }
}

/// A daemon that answers HTTP, with a folder for whatever it writes.
#[derive(Debug)]
pub struct Server {
    daemon: Daemon,
    port: u16,
    _dir: TempDir,
}

impl Server {
    /// `command` gets the port to listen on and the folder.
    pub fn start(command: impl FnOnce(u16, &Path) -> Command) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let daemon = Daemon::start(&command(port, dir.path()), &dir.path().join("log"));
        let mut server = Self { daemon, port, _dir: dir };
        server.daemon.wait(|| listens(port));
        server
    }

    /// It listens on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Whether it answers HTTP.
#[must_use]
pub fn listens(port: u16) -> bool {
    Request::get("/").try_send(port).is_some()
}

/// Not among those that the kernel gives to clients, which come and go by the hundred here, and none twice.
#[must_use]
pub fn free_port() -> u16 {
    const PORTS: Range<u32> = 20_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Other test programs begin elsewhere.
    let first = std::process::id().wrapping_mul(97);
    loop {
        let turn = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS.end.abs_diff(PORTS.start);
        let port = u16::try_from(PORTS.start + turn).expect("they are ports");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A request of a client that knows nothing of clouds.
#[derive(Debug)]
pub struct Request(String);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All of it.
    pub body: Vec<u8>,
}

impl Request {
    /// Without headers of its own.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self(format!("GET {target} HTTP/1.1\r\n"))
    }

    /// With an empty body.
    #[must_use]
    pub fn put(target: &str) -> Self {
        Self(format!("PUT {target} HTTP/1.1\r\nContent-Length: 0\r\n"))
    }

    /// With one more header.
    #[must_use]
    pub fn with(self, header: &str) -> Self {
        Self(format!("{}{header}\r\n", self.0))
    }

    /// On a connection of its own.
    #[must_use]
    pub fn send(&self, port: u16) -> Answer {
        self.try_send(port).expect("it listens")
    }

    fn try_send(&self, port: u16) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE)).ok()?;
        let request = format!("{}Host: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n", self.0);
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let status = str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
        Some(Answer { status, body: answer.split_off(head + 4) })
    }
}
