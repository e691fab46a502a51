//! The command line.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{check::Machine, failure, root::Root, run, version::Installed};

/// The Istio sidecar's companion on a virtual machine
#[derive(Debug, Parser)]
#[command(
    name = "sidecar-wrapper",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Running pilot-agent is not part of this version."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the settings and files that joining a mesh needs, and show the settings in effect
    ///
    /// Reads sidecar.env and cluster.env in /var/lib/istio/envoy, without a shell; `ISTIO_SIDECAR_CONFIG` and
    /// `ISTIO_CLUSTER_CONFIG` name other files. Where both set a variable, cluster.env wins. Reports everything that is wrong
    /// in one run and exits with 1 if the sidecar could not join. Values of secrets are not shown.
    Check(Where),
    /// Run Envoy, as the service istio.service does
    ///
    /// Without --bootstrap, Envoy answers on its own ports alone: 127.0.0.1:15000 for its administration, 15021 for its health, 15090 for
    /// Prometheus. Exits with 78 if there is no Envoy to run.
    Run {
        /// The directory that stands for /; all paths are below it
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,

        /// Envoy's configuration
        #[arg(long, value_name = "FILE")]
        bootstrap: Option<PathBuf>,
    },
    /// Show which revision, versions and payload files are installed
    Version(Where),
}

#[derive(Debug, Args)]
struct Where {
    /// The directory that stands for /; all paths are below it
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    /// Print one JSON document on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy)]
enum OutputFormat {
    Text,
    Json,
}

impl Where {
    fn split(self) -> (Root, OutputFormat) {
        (Root::new(self.root), if self.json { OutputFormat::Json } else { OutputFormat::Text })
    }
}

impl Cli {
    /// Does what the command line asks; the exit code is 0, 1 for the user's fault, 2 for ours.
    pub fn run(
        self,
        variable: impl Fn(&str) -> Option<OsString>,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> ExitCode {
        let outcome = match self.command {
            Command::Check(place) => {
                let (root, format) = place.split();
                check(&Machine::new(root, variable), format, stdout, stderr)
            }
            Command::Run { root, bootstrap } => {
                let error = run::run(&Root::new(root), bootstrap);
                failure::print(&error, error.hint().as_deref(), stderr).map(|()| ExitCode::from(run::CANNOT_RUN))
            }
            Command::Version(place) => {
                let (root, format) = place.split();
                version(&root, format, stdout, stderr)
            }
        };
        match outcome.and_then(|code| stdout.flush().map(|()| code)) {
            Ok(code) => code,
            Err(error) => {
                // Nothing is left to do when stderr is closed as well.
                let _ = writeln!(stderr, "error: cannot write the output\ncaused by: {error}");
                ExitCode::from(2)
            }
        }
    }
}

fn check(
    machine: &Machine,
    format: OutputFormat,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<ExitCode> {
    let report = machine.check();
    match format {
        OutputFormat::Text => report.write_text(stdout, stderr)?,
        OutputFormat::Json => report.write_json(stdout)?,
    }
    Ok(ExitCode::from(u8::from(!report.valid())))
}

fn version(root: &Root, format: OutputFormat, stdout: &mut dyn Write, stderr: &mut dyn Write) -> io::Result<ExitCode> {
    let installed = match Installed::read(root) {
        Ok(installed) => installed,
        Err(error) => {
            failure::print(&error, error.hint().as_deref(), stderr)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    match format {
        OutputFormat::Text => write!(stdout, "{installed}")?,
        OutputFormat::Json => {
            serde_json::to_writer_pretty(&mut *stdout, &installed)?;
            writeln!(stdout)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
