//! `cargo xtask test`: everything that CI runs, in the order in which failures are cheapest.

use std::time::Instant;

use crate::{
    command::Cmd,
    dist::{self, Options},
    failure::{FileContext, Outcome},
    package,
    plan::{Plan, Selection},
    preflight, reproduce,
    revisions::Manifest,
    setup::{self, Need},
    tools::Tools,
    ui::Ui,
    workspace::{Cache, Workspace},
};

/// What strangers' bytes reach, in `fuzz/`.
const FUZZ_TARGETS: [&str; 3] = ["range", "reply", "path"];
/// For each, in seconds: what is found at all is found in the first of them.
const FUZZ_SECONDS: u32 = 30;
/// The load of `repo-server/tests/soak`, in seconds.
const SOAK_SECONDS: u32 = 300;
/// How many publishes are killed.
const KILL_ROUNDS: u32 = 200;
/// So many sidecars are started and stopped.
const CYCLES: u32 = 500;

/// Runs all checks; the first that fails ends it.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, install: bool, ui: &Ui) -> Outcome {
    let tools = Tools::new(cache);
    let options = Options {
        manifest: workspace.default_manifest(),
        base_url: None,
        selection: Selection::default(),
        out: workspace.default_dist(),
        offline: false,
        jobs: std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN),
        level: payload_splice::Level::default(),
        setup: false,
    };
    let manifest = Manifest::load(&options.manifest, None)?;
    let plan = Plan::new(&manifest, &options.selection)?;
    let needs: Vec<Need> = preflight::needs(&plan, &manifest).into_iter().chain(Need::for_testing()).collect();
    if install {
        setup::install(&needs, &tools, ui)?;
    }
    preflight::check_needs(&needs, &tools)?;

    let cargo = || Cmd::new("cargo").dir(workspace.root());
    step(ui, &cargo().args(["fmt", "--all", "--check"]))?;
    let workspace_flags = ["--workspace", "--all-targets", "--all-features", "--locked"];
    step(ui, &cargo().arg("clippy").args(workspace_flags).args(["--quiet", "--", "--deny", "warnings"]))?;
    step(
        ui,
        &Cmd::new(tools.cargo_tool(Tools::CARGO_DENY)).dir(workspace.root()).args([
            "--all-features",
            "check",
            "bans",
            "licenses",
            "sources",
        ]),
    )?;
    let scripts = workspace.shell_scripts()?;
    step(ui, &Cmd::new("shellcheck").args(&scripts))?;
    fuzz(workspace, &tools, ui)?;

    ui.phase("cargo xtask dist --verify-reproducible");
    let report = dist::run(workspace, cache, &options, ui)?;
    if report.manifest.source.dirty {
        ui.warning("not compared with a second checkout: the work tree has uncommitted changes");
    } else {
        let same = reproduce::verify(workspace, cache, &options, &report, ui)?;
        ui.line(&format!("        {same} files are the same in a second checkout"));
    }
    let deep = package::verify_deep(&report.packages, options.jobs)?;
    ui.line(&format!("        {deep} packages unpacked whole, every digest as recorded"));

    // The judges read the tree that was just made.
    let test = cargo()
        .arg("test")
        .args(["--workspace", "--all-features", "--locked", "--no-fail-fast"])
        .env("SLIPWAY_DIST", &report.out)
        .env("SLIPWAY_XTASK", std::env::current_exe().while_("find this program")?)
        .env("SLIPWAY_PYTHON_STORES", tools.python_stores())
        .env("SLIPWAY_REDBOT", tools.redbot_env())
        .env("SLIPWAY_NODE_STORES", tools.node_stores())
        .env("SLIPWAY_RUST_STORES", tools.cargo_root(Tools::RUST_STORE))
        .env("SLIPWAY_SOAK_SECONDS", SOAK_SECONDS.to_string())
        .env("SLIPWAY_KILL_ROUNDS", KILL_ROUNDS.to_string())
        .env("SLIPWAY_CYCLES", CYCLES.to_string());
    step(ui, &test)
}

/// The fuzz targets are a workspace of their own, with a target folder of their own: they are compiled in another way.
fn fuzz(workspace: &Workspace, tools: &Tools, ui: &Ui) -> Outcome {
    let dir = workspace.root().join("fuzz");
    let target = workspace.root().join("target/fuzz");
    let cargo = || Cmd::new("cargo").dir(&dir).env("CARGO_TARGET_DIR", &target);
    step(ui, &cargo().args(["fmt", "--check"]))?;
    step(ui, &cargo().args(["clippy", "--lib", "--bins", "--locked", "--quiet", "--", "--deny", "warnings"]))?;
    for name in FUZZ_TARGETS {
        let fuzz = Cmd::new(tools.cargo_tool(Tools::CARGO_FUZZ))
            .dir(workspace.root())
            .args(["run", "--sanitizer", "none", "--target-dir"])
            .arg(&target)
            .args([name, "--", "-max_len=600", "-verbosity=0"])
            .arg(format!("-dict=fuzz/dictionaries/{name}.dict"))
            .arg(format!("-max_total_time={FUZZ_SECONDS}"));
        step(ui, &fuzz)?;
    }
    Ok(())
}

fn step(ui: &Ui, command: &Cmd) -> Outcome {
    let start = Instant::now();
    ui.phase(&command.to_string());
    command.run()?;
    ui.line(&format!("        passed in {:.0}s", start.elapsed().as_secs_f64()));
    Ok(())
}
