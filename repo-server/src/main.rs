//! `repo-server`: see `repo-server --help`.

use std::{io, process::ExitCode};

use clap::Parser;
use repo_server::cli::Cli;

fn main() -> ExitCode {
    match Cli::try_parse() {
        // Not locked: other threads write, too.
        Ok(cli) => cli.run(&mut io::stdout(), &mut io::stderr()),
        Err(answer) => {
            // A reader that left is no error; a mistake on the command line is the user's.
            let _ = answer.print();
            ExitCode::from(u8::from(answer.use_stderr()))
        }
    }
}
