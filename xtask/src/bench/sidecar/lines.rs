//! What it costs that a sidecar's output goes through sidecar-wrapper, beside the programs that do the same for any service.

use std::{
    fmt::Write as _,
    num::NonZeroUsize,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use artifact::{Revision, SidecarInfo, human_bytes};
use fs_err as fs;

use crate::{
    bench::measure::{Cost, measure, median},
    command::Cmd,
    failure::{FileContext, Outcome},
    ui::Ui,
};

const LINES: usize = 1_000_000;

/// A way from a program's output to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Wrapper,
    S6Log,
    Svlogd,
    Cat,
}

impl Way {
    const ALL: [Self; 4] = [Self::Wrapper, Self::S6Log, Self::Svlogd, Self::Cat];

    const fn name(self) -> &'static str {
        match self {
            Self::Wrapper => "sidecar-wrapper run",
            Self::S6Log => "s6-log",
            Self::Svlogd => "svlogd",
            Self::Cat => "cat",
        }
    }
}

/// The table, as Markdown. `dir` is for files.
pub(super) fn run(wrapper: &Path, dir: &Path, rounds: NonZeroUsize, ui: &Ui) -> Outcome<String> {
    let room = Room::new(dir, wrapper.to_owned())?;
    let mut costs = Way::ALL.map(|_| Vec::new());
    for round in 1..=rounds.get() {
        for (costs, way) in costs.iter_mut().zip(Way::ALL) {
            ui.phase(&format!("round {round} of {rounds}: lines by {}", way.name()));
            costs.push(room.measure(way)?);
        }
    }
    Ok(table(costs.map(median), room.size, rounds))
}

fn table(costs: [Cost; Way::ALL.len()], size: u64, rounds: NonZeroUsize) -> String {
    let [.., cat] = costs;
    let mut text = format!(
        "{LINES} lines of a stand-in for Envoy, {}, through a pipe into a file; its own time is in each row. Medians of {rounds} rounds.\n\n\
         | way | CPU s | of cat's | wall s | of cat's | peak memory of a process |\n|---|---|---|---|---|---|\n",
        human_bytes(size)
    );
    for (way, cost) in Way::ALL.into_iter().zip(costs) {
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
            way.name(),
            cost.cpu,
            cost.cpu / cat.cpu,
            cost.wall,
            cost.wall / cat.wall,
            human_bytes(cost.peak_memory)
        );
    }
    text
}

/// A folder that looks like a VM to the wrapper, with a stand-in for Envoy.
struct Room {
    root: PathBuf,
    logs: PathBuf,
    wrapper: PathBuf,
    size: u64,
}

impl Room {
    const ENVOY: &str = "usr/local/bin/envoy";

    fn new(dir: &Path, wrapper: PathBuf) -> Outcome<Self> {
        let root = dir.join("root");
        let lines = dir.join("lines");
        // Of one length, so that a line that is missing shows.
        let text: String = (0..LINES)
            .flat_map(|number| {
                [
                    "[2026-11-26 02:43:24.123][1234][info][main] [source/server/server.cc:467] ".to_owned(),
                    format!("a line of the stand-in, {number:07}\n"),
                ]
            })
            .collect();
        fs::create_dir_all(dir).while_("make the benchmark's folder")?;
        fs::write(&lines, &text).while_("write the stand-in's lines")?;
        let version = |text: &str| text.parse().expect("a version");
        let revision = Revision::new("default").expect("a revision");
        let info = SidecarInfo::new(revision, version("1.29.6"), version("1.37.0"), false, Vec::new());
        // Not the real one, which says too little to measure: it prints the lines and has the wrapper, if there is one, stop.
        let envoy = format!(
            "#!/bin/sh\n# stand-in for Envoy\ncat '{}'\nread -r _ name _ wrapper _ < /proc/$PPID/stat\n\
             if [ \"$name\" = '(sidecar-keeper)' ]; then kill -TERM \"$wrapper\"; exec sleep 60; fi\n",
            lines.display()
        );
        for (path, content) in
            [(SidecarInfo::FILE, info.to_json()), (Self::ENVOY, envoy), ("bootstrap.yaml", String::new())]
        {
            let path = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("below the root")).while_("make the benchmark's folder")?;
            fs::write(&path, content).while_("write the benchmark's files")?;
        }
        fs::create_dir_all(root.join("run")).while_("make the benchmark's folder")?;
        fs::set_permissions(root.join(Self::ENVOY), PermissionsExt::from_mode(0o755))
            .while_("make the stand-in a program")?;
        Ok(Self { root, logs: dir.join("logs"), wrapper, size: text.len() as u64 })
    }

    fn measure(&self, way: Way) -> Outcome<Cost> {
        if self.logs.exists() {
            fs::remove_dir_all(&self.logs).while_("empty the benchmark's folder")?;
        }
        fs::create_dir_all(&self.logs).while_("make the benchmark's folder")?;
        let cost = measure(&self.command(way)?)?;
        let written = fs::metadata(self.file(way)).while_("measure the log")?.len();
        // The wrapper may have words of its own.
        if written < self.size || (way != Way::Wrapper && written != self.size) {
            let fault = std::io::Error::other(format!("{written} bytes of {}", self.size));
            return Ok(Err(fault).while_("find all lines in the log")?);
        }
        Ok(cost)
    }

    /// Where the lines are after a run.
    fn file(&self, way: Way) -> PathBuf {
        self.logs.join(match way {
            Way::Wrapper | Way::Cat => "envoy.log",
            Way::S6Log | Way::Svlogd => "current",
        })
    }

    fn command(&self, way: Way) -> Outcome<Cmd> {
        let envoy = self.root.join(Self::ENVOY);
        let piped = |script: &str, to: &Path| Cmd::new("sh").args(["-c", script, "sh"]).arg(&envoy).arg(to);
        Ok(match way {
            Way::Wrapper => Cmd::new(&self.wrapper)
                .args(["run", "--root"])
                .arg(&self.root)
                .arg("--bootstrap")
                .arg(self.root.join("bootstrap.yaml"))
                .arg("--stdout")
                .arg(self.file(way)),
            // The largest file that it makes holds all lines.
            Way::S6Log => piped("\"$1\" | s6-log n0 s268435455 \"$2\"", &self.logs),
            Way::Svlogd => {
                fs::write(self.logs.join("config"), "s0\n").while_("write svlogd's configuration")?;
                piped("\"$1\" | svlogd \"$2\"", &self.logs)
            }
            Way::Cat => piped("\"$1\" | cat > \"$2\"", &self.file(way)),
        })
    }
}
