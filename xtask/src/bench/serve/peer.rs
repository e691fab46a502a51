//! The servers: each on one core, with the same files, certificate and cipher, and no access log.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fs_err as fs;

use super::fixture::Fixture;
use crate::{
    failure::{FileContext, Outcome},
    tools::Tools,
    workspace::Workspace,
};

/// The core of the servers; the clients have the other one.
const SERVER_CORE: &str = "0";

/// A program that serves files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    RepoServer,
    Nginx,
    StaticWebServer,
    Caddy,
}

impl Peer {
    /// In the order of the table.
    pub(super) const ALL: [Self; 4] = [Self::RepoServer, Self::Nginx, Self::StaticWebServer, Self::Caddy];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RepoServer => "repo-server",
            Self::Nginx => "nginx",
            Self::StaticWebServer => "static-web-server",
            Self::Caddy => "caddy",
        }
    }

    /// Starts it, with and without TLS, and waits until it answers.
    pub(super) fn start(self, workspace: &Workspace, tools: &Tools, fixture: &Fixture) -> Outcome<Running> {
        let (http, https) = (free_port()?, free_port()?);
        let commands = match self {
            Self::RepoServer => [http, https]
                .map(|port| {
                    let mut command = on_core(workspace.server_program());
                    command.args(["serve", "--threads", "1", "--access-log", "off", "--log", "off", "--dir"]);
                    command.arg(fixture.tree()).args(["--listen", &format!("127.0.0.1:{port}")]);
                    if port == https {
                        command.arg("--tls-cert").arg(fixture.certificate()).arg("--tls-key").arg(fixture.key());
                    }
                    command
                })
                .into(),
            Self::Nginx => {
                let config = fixture.path("nginx.conf");
                fs::write(&config, nginx(fixture, http, https)).while_("write nginx's configuration")?;
                let mut command = on_core("/usr/sbin/nginx");
                command.arg("-p").arg(fixture.path("")).arg("-c").arg(config).arg("-e").arg(fixture.path("nginx.log"));
                vec![command]
            }
            Self::StaticWebServer => [http, https]
                .map(|port| {
                    let mut command = on_core(tools.cargo_tool(Tools::STATIC_WEB_SERVER));
                    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--log-level", "error"]);
                    command.args(["--threads-multiplier", "1", "--compression", "false", "--root"]).arg(fixture.tree());
                    if port == https {
                        command.args(["--http2", "true", "--http2-tls-cert"]).arg(fixture.certificate());
                        command.arg("--http2-tls-key").arg(fixture.key());
                    }
                    command
                })
                .into(),
            Self::Caddy => {
                let config = fixture.path("Caddyfile");
                fs::write(&config, caddy(fixture, http, https)).while_("write caddy's configuration")?;
                let mut command = on_core("/usr/bin/caddy");
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
                command
                    .env("GOMAXPROCS", "1")
                    .env("HOME", fixture.path(""))
                    .env("XDG_DATA_HOME", fixture.path("caddy"));
                vec![command]
            }
        };
        let mut running = Running { processes: Vec::new(), http, https };
        for mut command in commands {
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            running.processes.push(child.while_("start a server of the benchmark")?);
        }
        let end = Instant::now() + Duration::from_secs(20);
        for port in [http, https] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                if Instant::now() > end {
                    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, self.name());
                    return Err(error).while_("reach a server of the benchmark").map_err(Into::into);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(running)
    }
}

fn on_core(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", SERVER_CORE]).arg(program);
    command
}

fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(listener.while_("find a free port")?.port())
}

fn nginx(fixture: &Fixture, http: u16, https: u16) -> String {
    let dir = fixture.path("").display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {dir}/{name};\n"))
        .concat();
    format!(
        "user root;\ndaemon off;\nworker_processes 1;\npid {dir}/nginx.pid;\nevents {{ worker_connections 20000; }}\nhttp {{\n\
         {temporary}  types {{ application/vnd.debian.binary-package deb; text/plain sha256; }}\n  access_log off;\n\
           sendfile on;\n  tcp_nopush on;\n  keepalive_requests 100000000;\n  open_file_cache max=100;\n  server {{\n    \
         listen 127.0.0.1:{http};\n    listen 127.0.0.1:{https} ssl http2;\n    ssl_certificate {cert};\n    \
         ssl_certificate_key {key};\n    ssl_protocols TLSv1.3;\n    ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;\n    \
         ssl_session_cache shared:s:10m;\n    root {root};\n  }}\n}}\n",
        cert = fixture.certificate().display(),
        key = fixture.key().display(),
        root = fixture.tree().display(),
    )
}

fn caddy(fixture: &Fixture, http: u16, https: u16) -> String {
    format!(
        "{{\n\tadmin off\n\tauto_https off\n}}\nhttp://127.0.0.1:{http} {{\n\troot * {root}\n\tfile_server\n}}\n\
         https://127.0.0.1:{https}, https://localhost:{https} {{\n\ttls {cert} {key}\n\troot * {root}\n\tfile_server\n}}\n",
        cert = fixture.certificate().display(),
        key = fixture.key().display(),
        root = fixture.tree().display(),
    )
}

/// A server that ends with the value.
#[derive(Debug)]
pub(super) struct Running {
    processes: Vec<Child>,
    pub(super) http: u16,
    pub(super) https: u16,
}

impl Running {
    /// User and system time of all its processes so far, in seconds.
    pub(super) fn cpu(&self) -> f64 {
        self.pids().into_iter().filter_map(cpu_of).sum()
    }

    /// Anonymous memory of all its processes, in bytes.
    pub(super) fn anonymous_memory(&self) -> u64 {
        self.pids().into_iter().filter_map(|pid| status(pid, "RssAnon:")).sum::<u64>() * 1024
    }

    pub(super) fn threads(&self) -> u64 {
        self.pids().into_iter().filter_map(|pid| status(pid, "Threads:")).sum()
    }

    /// The processes that were started, and their children.
    fn pids(&self) -> Vec<u32> {
        let parents: Vec<u32> = self.processes.iter().map(Child::id).collect();
        let children = parents.iter().flat_map(|pid| {
            let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        });
        let children: Vec<u32> = children.collect();
        parents.into_iter().chain(children).collect()
    }
}

/// See proc(5): fields 14 and 15, in ticks of a hundredth of a second.
fn cpu_of(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

fn status(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // nginx's worker ends with its master only if the master is asked.
            let pid = rustix::process::Pid::from_child(process);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        for process in &mut self.processes {
            let end = Instant::now() + Duration::from_secs(5);
            while Instant::now() < end && matches!(process.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
