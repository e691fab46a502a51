//! A server as a process that ends with its value.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// What `cargo xtask test` says where the servers are.
const PYTHON_VARIABLE: &str = "SLIPWAY_PYTHON_STORES";
const NODE_VARIABLE: &str = "SLIPWAY_NODE_STORES";

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

fn tool(variable: &str, folder: &str, name: &str) -> PathBuf {
    let env = std::env::var_os(variable);
    let env =
        env.unwrap_or_else(|| panic!("{variable} does not name the folder that has {name}: run `cargo xtask test`"));
    let path = Path::new(&env).join(folder).join(name);
    assert!(path.is_file(), "{} is not installed: run `cargo xtask test --setup`", path.display());
    path
}

/// Ends with the value, with all processes that it started.
#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
    _dir: TempDir,
}

impl Server {
    /// `command` gets the port to listen on and a folder for whatever it writes.
    pub fn start(command: impl FnOnce(u16, &Path) -> Command) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let log = dir.path().join("log");
        let file = File::create(&log).expect("our own folder");
        let process = command(port, dir.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("it is open"))
            .stderr(file)
            .process_group(0)
            .spawn()
            .expect("it was found");
        let mut server = Self { process, port, _dir: dir };
        let end = Instant::now() + START_DEADLINE;
        while Request::get("/").try_send(port).is_none() {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let ended = server.process.try_wait().expect("it is ours");
            assert!(ended.is_none() && Instant::now() < end, "the server does not answer, {ended:?}: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
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

impl Drop for Server {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
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
