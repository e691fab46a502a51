//! The work that is given to the servers, and what it cost them.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fs_err as fs;

use super::{
    fixture::{Fixture, PACKAGE_SIZE, checksum_path, package_path},
    peer::Running,
};
use crate::{
    command::Cmd,
    failure::{FileContext, Outcome},
};

/// The core of the clients.
const CLIENT_CORE: &str = "1";
/// How long each load lasts. CPU time is counted in hundredths of a second.
const SECONDS: &str = "3";
const SLOW_CLIENTS: u32 = 200;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    Small,
    SmallTls,
    Large,
    LargeTls,
    Ranges,
    RangesTls,
    Handshakes,
    Http2,
}

impl Load {
    pub(super) const ALL: [Self; 8] = [
        Self::Small,
        Self::SmallTls,
        Self::Large,
        Self::LargeTls,
        Self::Ranges,
        Self::RangesTls,
        Self::Handshakes,
        Self::Http2,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Small => "`.sha256`, keep-alive, plain",
            Self::SmallTls => "`.sha256`, keep-alive, TLS",
            Self::Large => "40 MB package, plain",
            Self::LargeTls => "40 MB package, TLS",
            Self::Ranges => "random 1 MB ranges, plain",
            Self::RangesTls => "random 1 MB ranges, TLS",
            Self::Handshakes => "full TLS handshake and `.sha256`",
            Self::Http2 => "40 MB package, HTTP/2 by curl",
        }
    }

    /// What the cost is divided by.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Small | Self::SmallTls | Self::Handshakes => "µs/request",
            Self::Large | Self::LargeTls | Self::Ranges | Self::RangesTls | Self::Http2 => "ms/GB",
        }
    }

    /// The most that repo-server should cost, as a share of nginx's.
    pub(super) const fn goal(self) -> f64 {
        match self {
            Self::Small | Self::SmallTls => 0.9,
            Self::Large => 1.0,
            Self::LargeTls | Self::RangesTls | Self::Http2 => 0.75,
            Self::Ranges => 0.65,
            Self::Handshakes => 0.55,
        }
    }

    /// Puts the load on a server; gives its CPU time for one unit.
    pub(super) fn run(self, server: &Running, fixture: &Fixture) -> Outcome<f64> {
        let (http, https) = (("http", server.http), ("https", server.https));
        let before = server.cpu();
        let (requests, bytes) = match self {
            Self::Small => wrk(fixture, http, &checksum_path(), 16, &[], "plain")?,
            Self::SmallTls => wrk(fixture, https, &checksum_path(), 16, &[], "plain")?,
            Self::Large => wrk(fixture, http, &package_path(), 4, &[], "plain")?,
            Self::LargeTls => wrk(fixture, https, &package_path(), 4, &[], "plain")?,
            Self::Ranges => wrk(fixture, http, &package_path(), 8, &[], "ranges")?,
            Self::RangesTls => wrk(fixture, https, &package_path(), 8, &[], "ranges")?,
            Self::Handshakes => wrk(fixture, https, &checksum_path(), 8, &["-H", "Connection: close"], "plain")?,
            Self::Http2 => curl(fixture, https)?,
        };
        let cpu = server.cpu() - before;
        Ok(match self {
            Self::Small | Self::SmallTls | Self::Handshakes => cpu / requests * 1e6,
            _ => cpu / bytes * 1e12,
        })
    }
}

/// Asks for a random megabyte each time; the seed is fixed, so that all servers get the same requests.
const RANGES: &str = "math.randomseed(7)\nlocal size = 41943040\nrequest = function()\n  \
     local first = math.random(0, size - 1048576)\n  \
     return wrk.format('GET', nil, { ['Range'] = 'bytes=' .. first .. '-' .. (first + 1048575) })\nend\n";
/// wrk rounds what it prints for people.
const DONE: &str = "done = function(summary)\n  io.write('total ' .. summary.requests .. ' ' .. summary.bytes .. ' ' .. \
     (summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout) .. \
     '\\n')\nend\n";

fn wrk(
    fixture: &Fixture,
    (scheme, port): (&str, u16),
    path: &str,
    connections: u32,
    flags: &[&str],
    script: &str,
) -> Outcome<(f64, f64)> {
    let file = fixture.path(&format!("{script}.lua"));
    let text = if script == "ranges" { format!("{RANGES}{DONE}") } else { DONE.to_owned() };
    fs::write(&file, text).while_("write wrk's script")?;
    let url = format!("{scheme}://127.0.0.1:{port}{path}");
    let text = Cmd::new("taskset")
        .args(["--cpu-list", CLIENT_CORE, "wrk", "-t", "1", "-d", SECONDS, "-c", &connections.to_string(), "-s"])
        .arg(&file)
        .args(flags)
        .arg(&url)
        .text()?;
    let total = text.lines().find_map(|line| line.strip_prefix("total "));
    let numbers: Vec<f64> =
        total.into_iter().flat_map(|line| line.split(' ')).filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [requests, bytes, _] if requests > 0.0 => Ok((requests, bytes)),
        _ => Err(crate::command::CommandError::Failed {
            command: format!("wrk {url}"),
            status: "no requests".to_owned(),
            output: text,
        }
        .into()),
    }
}

fn curl(fixture: &Fixture, (scheme, port): (&str, u16)) -> Outcome<(f64, f64)> {
    const TIMES: u32 = 20;
    let url = format!("{scheme}://localhost:{port}{}", package_path());
    for _ in 0..TIMES {
        Cmd::new("taskset")
            .args([
                "--cpu-list",
                CLIENT_CORE,
                "curl",
                "--silent",
                "--fail",
                "--http2",
                "--output",
                "/dev/null",
                "--cacert",
            ])
            .arg(fixture.certificate())
            .arg(&url)
            .output()?;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let bytes = PACKAGE_SIZE as f64 * f64::from(TIMES);
    Ok((f64::from(TIMES), bytes))
}

/// What many slow readers of the large file cost over TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slow {
    /// Anonymous memory for each, in bytes.
    pub(super) memory: u64,
    /// Threads more than before.
    pub(super) threads: u64,
}

/// Opens all of them and looks while they read.
pub(super) fn slow_clients(server: &Running, fixture: &Fixture) -> Outcome<Slow> {
    // Whatever is shared by all readers is there before the first look.
    curl(fixture, ("https", server.https))?;
    let (memory, threads) = (server.anonymous_memory(), server.threads());
    let mut clients = Clients(Vec::new());
    for _ in 0..SLOW_CLIENTS {
        clients.0.push(slow_client(server.https, &fixture.certificate()).while_("start curl")?);
    }
    std::thread::sleep(Duration::from_secs(8));
    let grown = server.anonymous_memory().saturating_sub(memory);
    Ok(Slow { memory: grown / u64::from(SLOW_CLIENTS), threads: server.threads().saturating_sub(threads) })
}

fn slow_client(port: u16, certificate: &Path) -> std::io::Result<Child> {
    Command::new("taskset")
        .args([
            "--cpu-list",
            CLIENT_CORE,
            "curl",
            "--silent",
            "--http1.1",
            "--limit-rate",
            "20k",
            "--output",
            "/dev/null",
        ])
        .arg("--cacert")
        .arg(certificate)
        .arg(format!("https://localhost:{port}{}", package_path()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// They end with the value.
struct Clients(Vec<Child>);

impl Drop for Clients {
    fn drop(&mut self) {
        for client in &mut self.0 {
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}
