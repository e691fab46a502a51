//! `sidecar-wrapper`: see `sidecar-wrapper --help`.

use std::{env, io, process::ExitCode};

use clap::Parser;
use sidecar_wrapper::cli::Cli;

fn main() -> ExitCode {
    // Not locked: threads write the sidecar's output, too.
    Cli::parse().run(env::vars_os().collect(), &mut io::stdout(), &mut io::stderr())
}
