//! The command line.

use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::{
    serve::ServeArgs,
    verify::{Fault, Report, VerifyError, verify},
};

/// Serves releases of onboarding packages to virtual machines
#[derive(Debug, Parser)]
#[command(name = "repo-server", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the URIs that virtual machines download from
    Serve(Box<ServeArgs>),
    /// Say whether `serve` could start with these settings
    Check(Box<ServeArgs>),
    /// Check a tree that `cargo xtask dist` made, or a copy of one, against its manifest
    ///
    /// Hashes every package that DIR/manifest.json lists, compares the .sha256 file beside it, and looks for anything else
    /// below DIR/install. Reports all that is wrong in one run and exits with 1 if anything is.
    Verify {
        /// The folder that holds manifest.json and install
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,

        /// Print one JSON document on stdout
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy)]
enum OutputFormat {
    Text,
    Json,
}

/// Where output goes.
struct Streams<'a> {
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
}

impl Cli {
    /// Does what the command line asks; the exit code is 0, 1 for the user's fault, 2 for ours.
    pub fn run(self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> ExitCode {
        let mut streams = Streams { stdout, stderr };
        let done = match self.command {
            Command::Serve(args) => args.serve(streams.stderr),
            Command::Check(args) => args.check(streams.stdout, streams.stderr),
            Command::Verify { dir, json } => {
                let format = if json { OutputFormat::Json } else { OutputFormat::Text };
                verify_tree(&dir, format, &mut streams)
            }
        };
        match done.and_then(|code| streams.stdout.flush().map(|()| code)) {
            Ok(code) => code,
            Err(error) => {
                // Nothing is left to do when stderr is closed as well.
                let _ = writeln!(streams.stderr, "error: cannot write the output\ncaused by: {error}");
                ExitCode::from(2)
            }
        }
    }
}

fn verify_tree(dir: &Path, format: OutputFormat, streams: &mut Streams<'_>) -> io::Result<ExitCode> {
    let report = match verify(dir) {
        Ok(report) => report,
        Err(error) => {
            print_error(&error, streams.stderr)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    match format {
        OutputFormat::Text => print_text(&report, streams)?,
        OutputFormat::Json => print_json(&report, streams.stdout)?,
    }
    Ok(ExitCode::from(u8::from(!report.faults.is_empty())))
}

fn print_error(error: &VerifyError, stderr: &mut dyn Write) -> io::Result<()> {
    writeln!(stderr, "error: {error}")?;
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        writeln!(stderr, "caused by: {cause}")?;
    }
    error.hint().map_or(Ok(()), |hint| writeln!(stderr, "hint: {hint}"))
}

fn print_text(Report { packages, faults }: &Report, streams: &mut Streams<'_>) -> io::Result<()> {
    if faults.is_empty() {
        return writeln!(streams.stdout, "{packages} packages verified");
    }
    for fault in faults {
        writeln!(streams.stderr, "error: {fault}")?;
    }
    writeln!(streams.stderr, "{} faults in a tree of {packages} packages", faults.len())?;
    writeln!(streams.stderr, "hint: copy the tree again, or make it again with `cargo xtask dist`")
}

fn print_json(report: &Report, stdout: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        valid: bool,
        packages: usize,
        faults: &'a [Fault],
    }
    let document = Document { valid: report.faults.is_empty(), packages: report.packages, faults: &report.faults };
    serde_json::to_writer_pretty(&mut *stdout, &document)?;
    writeln!(stdout)
}
