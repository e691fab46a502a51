//! `cargo xtask`: builds, checks and measures Slipway's releases.

mod bench;
mod build;
mod cli;
mod command;
mod dist;
mod failure;
mod files;
mod lock_command;
mod package;
mod parallel;
mod payload;
mod plan;
mod preflight;
mod publish;
mod reproduce;
mod revisions;
mod setup;
mod stamp;
mod test_command;
mod toolchain;
mod tools;
mod tree;
mod ui;
mod workspace;

use std::{io::Write, process::ExitCode};

use clap::Parser;

use cli::{BenchCommand, Cli, Command, DistArgs, LockArgs, PublishArgs, SetupArgs};
use failure::Outcome;
use payload::Fetcher;
use plan::{Plan, Selection};
use revisions::Manifest;
use setup::Need;
use tools::Tools;
use ui::Ui;
use workspace::{Cache, Workspace};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return failure::report_usage(&answer),
    };
    let (workspace, cache, ui) = (Workspace::current(), Cache::from_env(), Ui::new());
    let outcome = match cli.command {
        Command::Dist(args) => dist(&workspace, &cache, &args, &ui),
        Command::Publish(args) => publish(&workspace, args, &ui),
        Command::Lock(args) => lock(&workspace, &cache, &args, &ui),
        Command::Setup(args) => setup(&workspace, &cache, &args, &ui),
        Command::Test(args) => test_command::run(&workspace, &cache, args.setup, &ui),
        Command::Bench(BenchCommand::Dist(args)) => bench::dist(&workspace, &cache, args.rounds, args.setup, &ui),
        Command::Bench(BenchCommand::Publish(args)) => bench::publish(&workspace, &cache, args.rounds, &ui),
        Command::Bench(BenchCommand::Serve(args)) => bench::serve(&workspace, &cache, args.rounds, args.setup, &ui),
        Command::Bench(BenchCommand::Sidecar(args)) => bench::sidecar(&workspace, &cache, args.rounds, args.setup, &ui),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dist(workspace: &Workspace, cache: &Cache, args: &DistArgs, ui: &Ui) -> Outcome {
    let options = args.options(workspace);
    if args.plan {
        print(&dist::plan(&options)?.to_string());
        return Ok(());
    }
    let report = dist::run(workspace, cache, &options, ui)?;
    if args.json {
        print(&report.manifest.to_json());
        return Ok(());
    }
    print(&report.table());
    ui.line(&format!(
        "{} packages at {} install paths in {}, {:.1}s",
        report.packages.len(),
        report.manifest.artifacts.len(),
        report.out.display(),
        report.time.as_secs_f64()
    ));
    if args.verify_reproducible {
        let same = reproduce::verify(workspace, cache, &options, &report, ui)?;
        print(&format!("reproducible: {same} files are the same in a second checkout\n"));
    }
    Ok(())
}

fn publish(workspace: &Workspace, args: PublishArgs, ui: &Ui) -> Outcome {
    print(&publish::run(&args.options(workspace), ui)?.to_string());
    Ok(())
}

fn lock(workspace: &Workspace, cache: &Cache, args: &LockArgs, ui: &Ui) -> Outcome {
    let manifest = Manifest::load(&args.manifest.path(workspace), args.manifest.base_url.as_deref())?;
    let tools = Tools::new(cache);
    if args.setup {
        setup::install(&lock_needs(&manifest), &tools, ui)?;
    }
    cache.sweep();
    let fetcher = Fetcher { cache, tools: &tools, ui, offline: false };
    let locked = lock_command::run(&manifest, &fetcher, args.jobs(), ui)?;
    print(&locked.summary(&manifest));
    Ok(())
}

fn lock_needs(manifest: &Manifest) -> Vec<Need> {
    let mut needs = vec![Need::PythonTools];
    let payloads = manifest.revisions.iter().flat_map(|revision| &revision.payloads);
    needs.extend(payloads.filter(|(_, payload)| payload.strip).map(|(arch, _)| Need::for_stripping(*arch)));
    needs
}

fn setup(workspace: &Workspace, cache: &Cache, args: &SetupArgs, ui: &Ui) -> Outcome {
    let manifest = Manifest::load(&args.manifest.path(workspace), args.manifest.base_url.as_deref())?;
    let plan = Plan::new(&manifest, &Selection::default())?;
    setup::install(&preflight::needs(&plan, &manifest), &Tools::new(cache), ui)?;
    Ok(())
}

/// Data goes to stdout, and only data. A reader that left, such as `head`, is no error.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
