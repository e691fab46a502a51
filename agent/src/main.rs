//! `onboarding-agent`: see `onboarding-agent --help`.

use std::{io, process::ExitCode};

use clap::Parser;
use onboarding_agent::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run(&mut io::stdout().lock(), &mut io::stderr().lock())
}
