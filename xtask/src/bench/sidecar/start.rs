//! How much later Envoy is live under sidecar-wrapper, and how much memory that takes.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use artifact::human_bytes;
use fs_err as fs;
use rustix::process::{Pid, Signal};

use crate::{
    command::Cmd,
    failure::{FileContext, Outcome},
    ui::Ui,
};

/// Starts of each way in a round: one takes a tenth of a second, and they spread.
const STARTS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(20);
/// Of Envoy's administration, in the package's bootstrap.
const ADMIN: &str = "127.0.0.1:15000";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Alone,
    Wrapper,
}

/// What starts took, in milliseconds.
#[derive(Debug, Default)]
struct Starts(Vec<f64>);

impl Starts {
    fn median(&mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0[self.0.len() / 2]
    }
}

/// The table, as Markdown. `dist` has the package that Envoy is taken from.
pub(super) fn run(wrapper: &Path, dist: &Path, dir: &Path, rounds: NonZeroUsize, ui: &Ui) -> Outcome<String> {
    let root = dir.join("root");
    fs::create_dir_all(root.join("run")).while_("make the benchmark's folder")?;
    let package = dist.join("install/deb/amd64/istio-sidecar.deb");
    Cmd::new("dpkg-deb").arg("-x").arg(&package).arg(&root).run()?;
    let bench = Bench { root, wrapper: wrapper.to_owned() };

    let [mut alone, mut wrapped] = [Starts::default(), Starts::default()];
    let mut resident = 0;
    for round in 1..=rounds.get() {
        ui.phase(&format!("round {round} of {rounds}: starts"));
        for _ in 0..STARTS {
            for (way, starts) in [(Way::Alone, &mut alone), (Way::Wrapper, &mut wrapped)] {
                let mut process = bench.start(way).while_("start Envoy")?;
                let begun = Instant::now();
                let live = until_live(begun);
                if way == Way::Wrapper {
                    resident = resident.max(resident_of(&mut process));
                }
                end(process).while_("end Envoy")?;
                starts.0.push(live.while_("wait for Envoy to be live")?.as_secs_f64() * 1000.0);
            }
        }
    }
    Ok(table(alone.median(), wrapped.median(), resident, rounds))
}

fn table(alone: f64, wrapped: f64, resident: u64, rounds: NonZeroUsize) -> String {
    let mut text = format!(
        "Envoy on the bootstrap of its package, from its start until `/ready` says LIVE. Medians of {} starts.\n\n\
         | way | ms | more than alone |\n|---|---|---|\n",
        rounds.get() * STARTS
    );
    let _ = writeln!(text, "| Envoy alone | {alone:.0} | |");
    let _ = writeln!(text, "| sidecar-wrapper run | {wrapped:.0} | {:.0} |", wrapped - alone);
    let _ = writeln!(
        text,
        "\nResident memory of the wrapper when Envoy is live: {}, its program's own pages included.",
        human_bytes(resident)
    );
    text
}

struct Bench {
    root: PathBuf,
    wrapper: PathBuf,
}

impl Bench {
    fn start(&self, way: Way) -> std::io::Result<Child> {
        let mut command = match way {
            Way::Alone => {
                let mut command = Command::new(self.root.join("usr/local/bin/envoy"));
                command.arg("--config-path").arg(self.root.join("usr/share/istio-sidecar/envoy.yaml"));
                command.arg("--disable-hot-restart");
                command
            }
            Way::Wrapper => {
                let mut command = Command::new(&self.wrapper);
                command.arg("run").arg("--root").arg(&self.root);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    }
}

fn until_live(begun: Instant) -> std::io::Result<Duration> {
    while begun.elapsed() < PATIENCE {
        if is_live().unwrap_or(false) {
            return Ok(begun.elapsed());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(std::io::Error::other(format!("{ADMIN} never says LIVE: is it another program's?")))
}

fn is_live() -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(ADMIN)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

/// Of the wrapper itself, in bytes.
fn resident_of(process: &mut Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes * 1024)
}

fn end(mut process: Child) -> std::io::Result<()> {
    rustix::process::kill_process(Pid::from_child(&process), Signal::TERM)?;
    process.wait()?;
    Ok(())
}
