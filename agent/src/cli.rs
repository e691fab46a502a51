//! The command line.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    check::{OutputFormat, check},
    config::ConfigFiles,
};

/// The Workload Onboarding Agent: this version checks its configuration files
#[derive(Debug, Parser)]
#[command(
    name = "onboarding-agent",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Joining a mesh is not part of this version."
)]
pub struct Cli {
    /// The agent configuration: how the agent works on this machine
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/onboarding-agent/agent.config.yaml")]
    agent_config: PathBuf,

    /// The onboarding configuration: which mesh to join, and as what
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/onboarding-agent/onboarding.config.yaml")]
    onboarding_config: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check both configuration files and show the settings with all defaults
    ///
    /// Reports everything that is wrong with either file in one run and exits with 1 if the agent could not start.
    /// Values of plugin `env` variables are not shown.
    Check {
        /// Print one JSON document on stdout, whatever the outcome
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// Does what the command line asks; the exit code is 0, 1 for the user's fault, 2 for ours.
    pub fn run(self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> ExitCode {
        let files = ConfigFiles { agent: self.agent_config, onboarding: self.onboarding_config };
        let Command::Check { json } = self.command;
        let format = if json { OutputFormat::Json } else { OutputFormat::Text };
        match check(&files, format, stdout, stderr) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                // Nothing is left to do when stderr is closed as well.
                let _ = writeln!(stderr, "error: {error}\ncaused by: {}", error.cause());
                ExitCode::from(2)
            }
        }
    }
}
