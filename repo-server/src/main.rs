//! `repo-server`: see `repo-server --help`.

use std::{io, process::ExitCode};

use clap::Parser;
use repo_server::cli::Cli;

fn main() -> ExitCode {
    // Not locked: other threads write, too.
    Cli::parse().run(&mut io::stdout(), &mut io::stderr())
}
