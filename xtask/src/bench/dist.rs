//! `cargo xtask bench dist`: the twelve sidecar packages of the default manifest, by `dist` and by nfpm.

use std::{
    fmt::Write as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use artifact::{Arch, Component, PackageFormat, Revision, human_bytes};
use fs_err as fs;

use super::measure::{Cost, measure, median};
use crate::{
    command::Cmd,
    failure::{FileContext, Outcome},
    payload::{Fetcher, Installed, ready},
    plan::{Plan, Selection},
    preflight,
    revisions::{Lock, Manifest},
    setup::{self, Need},
    tools::Tools,
    ui::Ui,
    workspace::{Cache, Workspace},
};

/// One way to make the packages, with what it cost.
#[derive(Debug)]
struct Row {
    name: String,
    cost: Cost,
    /// Of all packages together.
    size: u64,
}

/// Runs all ways and prints the table as Markdown.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, rounds: NonZeroUsize, install: bool, ui: &Ui) -> Outcome {
    let tools = Tools::new(cache);
    let manifest = Manifest::load(&workspace.default_manifest(), None)?;
    let selection = Selection { components: vec![Component::IstioSidecar], ..Selection::default() };
    let plan = Plan::new(&manifest, &selection)?;
    let time = Need::Program { program: "time", package: "time", purpose: "benchmark" };
    let needs: Vec<Need> = preflight::needs(&plan, &manifest).into_iter().chain([time, Need::Nfpm]).collect();
    if install {
        setup::install(&needs, &tools, ui)?;
    }
    preflight::check_needs(&needs, &tools)?;

    let dir = tempfile::tempdir_in(workspace.target()).while_("make a scratch folder")?;
    let ours = Ours { manifest: &manifest, derived: dir.path().join("derived"), out: dir.path().join("dist") };
    ui.phase("build the programs and fetch the payloads once, not measured");
    ours.command("0").output()?;
    let payloads = payloads(cache, &tools, &manifest, ui)?;

    let mut rows = Vec::new();
    for level in ["0", "1"] {
        ui.phase(&format!("dist, level {level}, nothing compressed yet"));
        let cold = repeat(rounds, || {
            ours.forget()?;
            Ok(measure(&ours.command(level))?)
        })?;
        rows.push(Row { name: format!("dist --level {level}"), cost: cold, size: ours.size()? });
        let warm = repeat(rounds, || {
            ours.forget_packages()?;
            Ok(measure(&ours.command(level))?)
        })?;
        rows.push(Row {
            name: format!("dist --level {level}, payloads compressed before"),
            cost: warm,
            size: ours.size()?,
        });
    }
    let unchanged = repeat(rounds, || Ok(measure(&ours.command("1"))?))?;
    rows.push(Row { name: "dist, nothing changed".to_owned(), cost: unchanged, size: ours.size()? });
    for (compression, rounds) in [("gzip", rounds), ("xz", NonZeroUsize::MIN)] {
        ui.phase(&format!("nfpm, {compression}"));
        let nfpm = Nfpm { program: tools.nfpm(), dir: dir.path().join("nfpm"), compression };
        let script = nfpm.prepare(workspace, &payloads)?;
        let cost = repeat(rounds, || Ok(measure(&Cmd::new("sh").arg(&script))?))?;
        rows.push(Row { name: format!("nfpm, {compression}"), cost, size: size_of(&nfpm.dir)? });
    }
    crate::print(&table(&rows, plan.targets.len(), rounds));
    Ok(())
}

fn repeat(rounds: NonZeroUsize, mut once: impl FnMut() -> Outcome<Cost>) -> Outcome<Cost> {
    (0..rounds.get()).map(|_| once()).collect::<Outcome<Vec<Cost>>>().map(median)
}

fn table(rows: &[Row], packages: usize, rounds: NonZeroUsize) -> String {
    let base = rows.iter().find(|row| row.name == "nfpm, gzip").expect("always measured");
    let mut text = format!(
        "{packages} sidecar packages from 6 payloads; medians of {rounds} rounds (nfpm, xz: 1).\n\n\
         | way | CPU s | of nfpm gzip | size | of nfpm gzip | wall s | peak memory of a process |\n\
         |---|---|---|---|---|---|---|\n"
    );
    for Row { name, cost, size } in rows {
        #[expect(clippy::cast_precision_loss, reason = "a percentage is shown")]
        let size_ratio = *size as f64 / base.size as f64 * 100.0;
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.2} | {} | {size_ratio:.0} % | {:.1} | {} |",
            cost.cpu,
            cost.cpu / base.cost.cpu,
            human_bytes(*size),
            cost.wall,
            human_bytes(cost.peak_memory)
        );
    }
    text
}

/// `cargo xtask dist` itself, as its own process.
struct Ours<'a> {
    manifest: &'a Manifest,
    derived: PathBuf,
    out: PathBuf,
}

impl Ours<'_> {
    fn command(&self, level: &str) -> Cmd {
        Cmd::new(std::env::current_exe().unwrap_or_else(|_| "xtask".into()))
            .args(["dist", "--offline", "--component", "istio-sidecar", "--level", level, "--manifest"])
            .arg(&self.manifest.path)
            .arg("--out")
            .arg(&self.out)
            .env(Cache::DERIVED_VARIABLE, &self.derived)
    }

    fn forget(&self) -> Outcome {
        Ok(fs::remove_dir_all(&self.derived).while_("empty the benchmark's cache")?)
    }

    fn forget_packages(&self) -> Outcome {
        Ok(fs::remove_dir_all(self.derived.join("packages")).while_("empty the benchmark's cache")?)
    }

    /// Of all packages, each counted once.
    fn size(&self) -> Outcome<u64> {
        size_of(&self.derived.join("packages"))
    }
}

fn size_of(dir: &Path) -> Outcome<u64> {
    let mut size = 0;
    for entry in fs::read_dir(dir).while_("measure packages")? {
        let entry = entry.while_("measure packages")?;
        // Scripts, recorded digests and packages of another level stand there too, the first two in a few bytes.
        size += entry.metadata().while_("measure packages")?.len();
    }
    Ok(size)
}

type PayloadFiles = Vec<(Revision, Arch, Vec<Installed>)>;

fn payloads(cache: &Cache, tools: &Tools, manifest: &Manifest, ui: &Ui) -> Outcome<PayloadFiles> {
    let lock = Lock::load(manifest)?;
    let fetcher = Fetcher { cache, tools, ui, offline: true };
    let mut files = Vec::new();
    for spec in &manifest.revisions {
        for (&arch, payload) in &spec.payloads {
            let locked = lock.payload(manifest, &spec.name, arch, payload)?;
            files.push((spec.name.clone(), arch, ready(&fetcher, manifest, &spec.name, arch, payload, locked)?));
        }
    }
    Ok(files)
}

/// The program that most projects would pick for this.
struct Nfpm {
    program: PathBuf,
    dir: PathBuf,
    compression: &'static str,
}

impl Nfpm {
    /// Writes one configuration for each payload and a script that makes all packages, one after the other as dist's
    /// phases do; gives the script.
    fn prepare(&self, workspace: &Workspace, payloads: &PayloadFiles) -> Outcome<PathBuf> {
        let configs = self.dir.with_extension("configs");
        for dir in [&self.dir, &configs] {
            if dir.exists() {
                fs::remove_dir_all(dir).while_("empty the benchmark's folder")?;
            }
            fs::create_dir_all(dir).while_("make the benchmark's folder")?;
        }
        let mut script = "set -e\n".to_owned();
        for (revision, arch, files) in payloads {
            let config = configs.join(format!("{revision}-{arch}.yaml"));
            fs::write(&config, self.config(workspace, revision, *arch, files)).while_("write nfpm's configuration")?;
            for format in PackageFormat::ALL {
                let package = self.dir.join(format!("{revision}-{arch}.{format}"));
                let command = Cmd::new(&self.program)
                    .args(["package", "--packager", format.extension(), "--config"])
                    .arg(&config);
                let _ = writeln!(script, "{}", command.arg("--target").arg(package));
            }
        }
        let path = configs.join("all.sh");
        fs::write(&path, script).while_("write nfpm's script")?;
        Ok(path)
    }

    fn config(&self, workspace: &Workspace, revision: &Revision, arch: Arch, files: &[Installed]) -> String {
        let compression = self.compression;
        let mut text = format!(
            "name: istio-sidecar\narch: {arch}\nversion: 1.0.0\nrelease: 1.{}\nmaintainer: {}\ndescription: Istio sidecar\n\
             deb:\n  compression: {compression}\nrpm:\n  compression: {compression}\ncontents:\n",
            revision.rpm_release_suffix(),
            env!("CARGO_PKG_AUTHORS"),
        );
        let program = workspace.program(Component::IstioSidecar, arch);
        let own = (program.as_path(), "/usr/bin/sidecar-wrapper");
        let payload = files.iter().map(|file| (file.path.as_path(), file.facts.name.install_path()));
        for (source, destination) in payload.chain([own]) {
            let _ = writeln!(
                text,
                "  - src: {}\n    dst: {destination}\n    file_info:\n      mode: 0755",
                source.display()
            );
        }
        text
    }
}
