//! `repo-server`: see `repo-server --help`.

use std::{io, process::ExitCode};

use clap::Parser;
use repo_server::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run(&mut io::stdout().lock(), &mut io::stderr().lock())
}
