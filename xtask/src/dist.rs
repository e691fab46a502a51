//! `cargo xtask dist`: plan, preflight, fetch, build, compress, package, verify, and the tree swapped in whole.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    num::NonZeroUsize,
    path::PathBuf,
    time::{Duration, Instant},
};

use artifact::{
    Arch, PayloadMember, ReleaseManifest, Revision, SCHEMA_VERSION, Sha256Digest, SidecarInfo, human_bytes,
};
use fs_err as fs;
use payload_splice::{BlockCache, CompressedPayload, Level};

use crate::{
    build::Build,
    failure::{FileContext, Outcome},
    files::{self, write_whole},
    package::{DebianBases, Finished, Packager, ReadyFile, RevisionPayload, SharedInputs},
    parallel::try_map,
    payload::{Fetcher, Installed, ready},
    plan::{Plan, Selection},
    preflight::{self, Pinned},
    revisions::{Lock, Manifest},
    setup,
    stamp::Stamp,
    toolchain::Toolchain,
    tools::Tools,
    tree::{self, DistLock},
    ui::Ui,
    workspace::{Cache, Workspace},
};

/// Everything that one dist is told.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) manifest: PathBuf,
    pub(crate) base_url: Option<String>,
    pub(crate) selection: Selection,
    pub(crate) out: PathBuf,
    pub(crate) offline: bool,
    pub(crate) jobs: NonZeroUsize,
    pub(crate) level: Level,
    pub(crate) setup: bool,
}

/// What a dist made, in the order of its table.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) manifest: ReleaseManifest,
    pub(crate) packages: Vec<Finished>,
    pub(crate) out: PathBuf,
    pub(crate) time: Duration,
}

/// The packages that `dist` would make.
pub(crate) fn plan(options: &Options) -> Outcome<Plan> {
    let manifest = Manifest::load(&options.manifest, options.base_url.as_deref())?;
    Ok(Plan::new(&manifest, &options.selection)?)
}

/// Makes the dist tree.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, options: &Options, ui: &Ui) -> Outcome<Report> {
    let start = Instant::now();
    let manifest = Manifest::load(&options.manifest, options.base_url.as_deref())?;
    for remark in manifest.remarks() {
        ui.warning(&remark);
    }
    let plan = Plan::new(&manifest, &options.selection)?;
    let lock = Lock::load(&manifest)?;
    let tools = Tools::new(cache);

    if options.setup {
        setup::install(&preflight::needs(&plan, &manifest), &tools, ui)?;
    }
    ui.phase("preflight");
    let pinned = preflight::check(&plan, &manifest, &lock, &tools)?;
    let toolchain = Toolchain::find(&plan.arches()).expect("checked by preflight");
    let stamp = Stamp::read(workspace, lock.changed)?;
    if stamp.source.dirty {
        ui.warning("the work tree has uncommitted changes: the version says `dirty`");
    }
    let dist_lock = DistLock::take(&options.out)?;
    cache.sweep();
    files::sweep(&workspace.scratch());

    ui.phase("fetch");
    let fetcher = Fetcher { cache, tools: &tools, ui, offline: options.offline };
    let installed = try_map(options.jobs, &pinned, |Pinned { spec, locked }| {
        ready(&fetcher, &manifest, &spec.name, locked.arch, &spec.payloads[&locked.arch], locked)
    })?;

    ui.phase("build");
    let (components, arches) = (plan.components(), plan.arches());
    Build {
        workspace,
        tools: &tools,
        toolchain,
        components: &components,
        arches: &arches,
        time: stamp.time,
        offline: options.offline,
    }
    .run(ui)?;

    ui.phase("compress");
    let blocks = BlockCache::new(cache.blocks());
    let payloads = compress(cache, &blocks, options, ui, &pinned, &installed)?;

    ui.phase("package and verify");
    let inputs = SharedInputs::read(workspace, options.level, &components, &arches)?;
    let packager =
        Packager { workspace, cache, tools: &tools, stamp: &stamp, blocks: &blocks, inputs, bases: DebianBases::new() };
    let packages = try_map(options.jobs, &plan.targets, |target| {
        let payload = target.revision.clone().map(|revision| &payloads[&(revision, target.arch)]);
        packager.make(target, payload)
    })?;

    let mut placed: Vec<_> = packages
        .iter()
        .flat_map(|package| package.target.install_paths().into_iter().map(move |path| (path, package)))
        .collect();
    placed.sort_by_key(|(path, _)| path.to_string());
    let release = ReleaseManifest {
        schema: SCHEMA_VERSION,
        version: stamp.version.debian(),
        time: stamp.time,
        source: stamp.source.clone(),
        artifacts: placed.iter().map(|(path, package)| tree::artifact(path, package)).collect(),
    };
    dist_lock.replace(&release, &placed)?;
    Ok(Report { manifest: release, packages, out: dist_lock.out().to_owned(), time: start.elapsed() })
}

/// Compresses each distinct payload file once, with all threads on one file, and describes each revision's payload.
fn compress(
    cache: &Cache,
    blocks: &BlockCache,
    options: &Options,
    ui: &Ui,
    pinned: &[Pinned<'_>],
    installed: &[Vec<Installed>],
) -> Outcome<BTreeMap<(Revision, Arch), RevisionPayload>> {
    let mut done: BTreeMap<Sha256Digest, CompressedPayload> = BTreeMap::new();
    for file in installed.iter().flatten().map(|file| (&file.facts, &file.path)) {
        let (facts, path) = file;
        if done.contains_key(&facts.sha256) {
            continue;
        }
        let progress =
            ui.bytes(&format!("compress {} {}", facts.name, &facts.sha256.to_string()[..12]), Some(facts.size));
        let compressed =
            blocks.compress(path, facts.sha256, options.level, options.jobs, &|bytes| progress.add(bytes))?;
        if compressed.cached() {
            drop(progress);
        } else {
            progress.done(&format!(" to {}", human_bytes(compressed.stored_size())));
        }
        done.insert(facts.sha256, compressed);
    }

    let scratch = cache.descriptions();
    fs::create_dir_all(&scratch).while_("make a cache folder")?;
    let mut payloads = BTreeMap::new();
    for (Pinned { spec, locked }, files) in pinned.iter().zip(installed) {
        let member = |file: &Installed| PayloadMember {
            path: file.facts.name.install_path().to_owned(),
            size: file.facts.size,
            sha256: file.facts.sha256,
        };
        let mut members: Vec<_> = files.iter().map(member).collect();
        members.sort_by(|a, b| a.path.cmp(&b.path));
        let info = SidecarInfo::new(
            spec.name.clone(),
            spec.istio.clone(),
            spec.envoy.clone(),
            spec.payloads[&locked.arch].has_pilot_agent(),
            members,
        );
        ui.line(&format!(
            "        revision {} {}: Istio {}, Envoy {}, {}",
            spec.name,
            locked.arch,
            info.istio,
            info.envoy,
            if info.pilot_agent { "with pilot-agent" } else { "WITHOUT pilot-agent" }
        ));

        let json = info.to_json();
        let sha256 = Sha256Digest::of(json.as_bytes());
        let path = scratch.join(sha256.to_string());
        write_whole(&path, &json).while_("write a revision's description")?;
        let mut ready: Vec<ReadyFile> = files
            .iter()
            .map(|file| ReadyFile {
                install_path: file.facts.name.install_path(),
                mode: file.facts.name.mode(),
                source: file.path.clone(),
                compressed: done[&file.facts.sha256].clone(),
            })
            .collect();
        ready.push(ReadyFile {
            install_path: SidecarInfo::FILE,
            mode: 0o644,
            compressed: blocks.compress(&path, sha256, options.level, options.jobs, &|_| {})?,
            source: path,
        });
        let payload = RevisionPayload { info, files: ready, glibc_floor: locked.glibc_floor() };
        payloads.insert((spec.name.clone(), locked.arch), payload);
    }
    Ok(payloads)
}

impl Report {
    /// The closing table: one line for each package.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![["package", "version", "size", "time", "from"].map(str::to_owned)];
        rows.extend(self.packages.iter().map(|package| {
            [
                package.target.to_string(),
                package.version.clone(),
                human_bytes(package.size),
                format!("{:.2}s", package.time.as_secs_f64()),
                if package.cached { "cache" } else { "built" }.to_owned(),
            ]
        }));
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        let mut table = String::new();
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }
}
