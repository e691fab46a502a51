//! `sidecar-wrapper`: see `sidecar-wrapper --help`.

use std::{env, io, process::ExitCode};

use clap::Parser;
use sidecar_wrapper::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run(|name| env::var_os(name), &mut io::stdout().lock(), &mut io::stderr().lock())
}
