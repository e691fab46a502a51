//! nginx: over the same files, as another reading of the same rules, and in front of several servers.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::tree::Tree;

/// Ends with the value.
pub(crate) struct Nginx {
    process: Child,
    pub(crate) address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Nginx {
    pub(crate) fn start(tree: &Tree) -> Self {
        // By itself, nginx takes a date for a tag: only the very same one is "not modified".
        let root = tree.path();
        Self::with("", &format!("if_modified_since before;\nabsolute_redirect off;\nroot {};\n", root.display()))
    }

    /// As README wants a load balancer to be: it says whom it speaks for, and sends each of them to one server.
    pub(crate) fn before(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(|address| format!("server {address};\n")).collect::<Vec<_>>().concat();
        let pass = "location / {\nproxy_pass http://servers;\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\n\
             proxy_set_header Host $http_host;\nproxy_set_header X-Forwarded-For $remote_addr;\n}\n";
        Self::with(&format!("upstream servers {{\nhash $remote_addr consistent;\n{servers}}}\n"), pass)
    }

    fn with(upstream: &str, server: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let own = dir.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {own}/{name};\n"))
            .concat();
        // One process, so that nothing is left of a killed one.
        let config = format!(
            "daemon off;\nmaster_process off;\npid {own}/pid;\nevents {{}}\nhttp {{\n{temporary}access_log off;\n\
             {upstream}server {{\nlisten {address};\n{server}}}\n}}\n",
        );
        fs::write(dir.path().join("nginx.conf"), config).expect("our own folder");
        let mut process = Command::new("/usr/sbin/nginx")
            .arg("-p")
            .arg(dir.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("nginx: {error}; have you run `cargo xtask test --setup`?"));
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let log = fs::read_to_string(dir.path().join("error.log")).unwrap_or_default();
            let ended = process.try_wait().expect("our child");
            assert!(ended.is_none() && Instant::now() < end, "nginx does not answer: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { process, address, _dir: dir }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
