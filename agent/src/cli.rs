//! The command line.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    check::{OutputFormat, check},
    config::ConfigFiles,
};

/// The Workload Onboarding Agent: this version checks its configuration files
///
/// Without a command, as the service onboarding-agent.service starts it, it would join a mesh. That is not part of this version:
/// it checks the files, and ends with 1.
#[derive(Debug, Parser)]
#[command(name = "onboarding-agent", version)]
pub struct Cli {
    /// The agent configuration: how the agent works on this machine
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/onboarding-agent/agent.config.yaml")]
    agent_config: PathBuf,

    /// The onboarding configuration: which mesh to join, and as what
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/onboarding-agent/onboarding.config.yaml")]
    onboarding_config: PathBuf,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
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
        let format = match self.command {
            Some(Command::Check { json: true }) => OutputFormat::Json,
            Some(Command::Check { json: false }) | None => OutputFormat::Text,
        };
        match check(&files, format, stdout, stderr) {
            Ok(true) if self.command.is_none() => {
                let _ = writeln!(
                    stderr,
                    "error: joining a mesh is not part of this version\nhint: the configuration is good: install a later version"
                );
                ExitCode::from(1)
            }
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
