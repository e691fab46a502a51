//! nginx with TLS, on a port of its own, with a certificate of a private CA.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Ends with the value.
pub(crate) struct Server {
    dir: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

/// Certificates in PEM, made once.
struct Certificates {
    ca: String,
    server: String,
    server_key: String,
    stranger: String,
}

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a folder");
    let openssl = |name: &str, extensions: &str, signer: &[&str]| {
        let config = format!("[req]\ndistinguished_name = dn\nx509_extensions = ext\n[dn]\n[ext]\n{extensions}\n");
        fs::write(dir.path().join("config"), config).expect("our own folder");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-config", "config", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key")])
            .args(["-out", &format!("{name}.pem")])
            .args(signer)
            .current_dir(&dir)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let authority = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign";
    openssl("ca", authority, &[]);
    openssl("stranger", authority, &[]);
    let end = "basicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1";
    openssl("server", end, &["-CA", "ca.pem", "-CAkey", "ca.key"]);
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("openssl wrote it");
    Certificates {
        ca: read("ca.pem"),
        server: read("server.pem"),
        server_key: read("server.key"),
        stranger: read("stranger.pem"),
    }
});

impl Server {
    /// `settings` go into nginx's `server` block.
    pub(crate) fn start(settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let certificates = &*CERTIFICATES;
        for (name, content) in [
            ("ca.pem", &certificates.ca),
            ("server.pem", &certificates.server),
            ("server.key", &certificates.server_key),
            ("stranger.pem", &certificates.stranger),
            ("access.log", &String::new()),
        ] {
            fs::write(dir.path().join(name), content).expect("our own folder");
        }
        fs::create_dir(dir.path().join("files")).expect("our own folder");
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let mut server = Self { dir, port: free.expect("a free port").port(), process: None };
        server.restart(settings);
        server
    }

    /// The same port, files and log, with other settings.
    pub(crate) fn restart(&mut self, settings: &str) {
        self.kill();
        let dir = self.dir.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
            .concat();
        // One process, so that nothing is left of a killed one.
        let config = format!(
            "daemon off;\nmaster_process off;\npid {dir}/pid;\nevents {{}}\nhttp {{\n{temporary}\
             log_format short '$request_method $uri $status [$http_range] [$http_if_range]';\n\
             access_log {dir}/access.log short;\n\
             server {{\nlisten 127.0.0.1:{} ssl http2;\nssl_certificate {dir}/server.pem;\n\
             ssl_certificate_key {dir}/server.key;\nroot {dir}/files;\n{settings}\n}}\n}}\n",
            self.port
        );
        fs::write(self.path("nginx.conf"), config).expect("our own folder");
        let process = Command::new("nginx")
            .arg("-p")
            .arg(self.dir.path())
            .arg("-c")
            .arg(self.path("nginx.conf"))
            .arg("-e")
            .arg(self.path("error.log"))
            .stderr(Stdio::null())
            .env("PATH", "/usr/sbin:/usr/bin")
            .spawn()
            .expect("nginx is installed");
        self.process = Some(process);
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = fs::read_to_string(self.path("error.log")).unwrap_or_default();
            assert!(Instant::now() < end, "nginx does not answer: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path("files").join(name), content).expect("our own folder");
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("https://127.0.0.1:{}/{name}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What `SSL_CERT_FILE` names to trust this server.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A CA that has nothing to do with this server.
    pub(crate) fn stranger(&self) -> PathBuf {
        self.path("stranger.pem")
    }

    /// One line for each request that ended: method, path, status, `[Range]`, `[If-Range]`.
    pub(crate) fn log(&self) -> Vec<String> {
        const MARK: &str = "/mark-of-this-test";
        // nginx answers first and writes its log then. It does one thing at a time, so with this request's line all lines of
        // earlier ones are there.
        let asked = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.write_all(format!("GET {MARK} HTTP/1.0\r\n\r\n").as_bytes()).map(|()| stream)
        });
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let lines = read_lines(&self.path("access.log"));
            let is_marked = lines.iter().any(|line| line.contains(MARK));
            if is_marked || asked.is_err() {
                return lines.into_iter().filter(|line| !line.contains(MARK)).collect();
            }
            assert!(Instant::now() < end, "nginx does not write its log: {lines:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// An HTTP proxy for one connection. Joining it gives the line that it was asked with.
pub(crate) fn proxy_once() -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let thread = std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        let mut lines = BufReader::new(&client).lines().map_while(Result::ok);
        let asked = lines.next().expect("a request");
        lines.find(String::is_empty).expect("an end of the request");
        let target = asked.split(' ').nth(1).expect("a target");
        let server = TcpStream::connect(target).expect("the server is there");
        (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("the client waits");
        std::thread::scope(|scope| {
            for (from, to) in [(&client, &server), (&server, &client)] {
                scope.spawn(move || {
                    let _ = std::io::copy(&mut &*from, &mut &*to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        });
        asked
    });
    (port, thread)
}

fn read_lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("the log").lines().map(str::to_owned).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
