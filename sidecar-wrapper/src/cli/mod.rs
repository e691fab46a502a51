//! The command line.

mod show;

use std::{ffi::OsString, io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    check::Machine,
    failure, keep,
    launch::ProcessEnvironment,
    root::Root,
    run::{self, RunOptions},
    status,
};

/// The Istio sidecar's companion on a virtual machine
#[derive(Debug, Parser)]
#[command(name = "sidecar-wrapper", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the settings and files that joining a mesh needs, and show what a sidecar would run with
    ///
    /// Reads sidecar.env and cluster.env in /var/lib/istio/envoy, without a shell; `ISTIO_SIDECAR_CONFIG` and
    /// `ISTIO_CLUSTER_CONFIG` name other files. Where both set a variable, cluster.env wins. Reports everything that is wrong
    /// in one run and exits with 1 if the sidecar could not join. Shows which program of the installed package would run, and each
    /// variable of pilot-agent with where its value comes from; values of secrets are not shown.
    Check(Where),
    /// Run the sidecar and look after it, as the service istio.service does
    ///
    /// With pilot-agent installed, runs `pilot-agent proxy sidecar` with the settings that `check` shows. Without it, or with
    /// --bootstrap, runs Envoy; the bootstrap of the package has 127.0.0.1:15000 for its administration, 15021 for its health, and
    /// 15090 for Prometheus, and nothing else.
    ///
    /// SIGTERM, SIGINT, SIGQUIT and the end of the terminal let requests in flight finish and then end the sidecar; a second one does not
    /// wait. SIGUSR1 and, without a terminal, SIGHUP open log files again. Exits with 0 if it was told to end, 65 if the sidecar did not accept what it was started with, 69 if
    /// something else has its ports, 75 if it ended by itself too often, 70 if processes cannot be killed, 78 if there is nothing to run.
    Run {
        #[command(flatten)]
        options: RunOptions,

        /// Print what would run, as a command for a shell, and run nothing
        ///
        /// With directory, arguments, ports, and those variables that differ from this program's own or concern a sidecar. The values
        /// of secrets are not shown. Says what is wrong, and exits with 78, if nothing can be run.
        #[arg(long)]
        print_command: bool,

        /// Print it as one JSON document on stdout
        #[arg(long, requires = "print_command")]
        json: bool,
    },
    /// Show what the running sidecar is at
    ///
    /// Exits with 0 if the sidecar is ready, 1 if it is not, 3 if no sidecar-wrapper runs, and 4 if that cannot be told.
    Status {
        #[command(flatten)]
        place: Where,

        /// Where the running sidecar-wrapper has its status, rather than in `RUNTIME_DIRECTORY` or /run/istio-sidecar below --root
        #[arg(long, value_name = "DIR")]
        runtime_directory: Option<PathBuf>,
    },
    /// Show which revision, versions and payload files are installed
    Version(Where),
    /// Keep the processes of a sidecar together; `run` starts this
    #[command(hide = true)]
    Keep {
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Become the main process of a sidecar; `keep` starts this
    #[command(hide = true)]
    Become {
        /// The process ID of `keep`
        keeper: u32,

        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
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

impl OutputFormat {
    const fn json(asked: bool) -> Self {
        if asked { Self::Json } else { Self::Text }
    }
}

impl Where {
    fn split(self) -> (Root, OutputFormat) {
        (Root::new(self.root), OutputFormat::json(self.json))
    }
}

impl Cli {
    /// Does what the command line asks; the exit code is 0, 1 for the user's fault, 2 for ours, and more for `run` and `status`.
    pub fn run(self, environment: ProcessEnvironment, stdout: &mut dyn Write, stderr: &mut dyn Write) -> ExitCode {
        let outcome = match self.command {
            Command::Check(place) => {
                let (root, format) = place.split();
                show::check(&Machine::new(root, environment), format, stdout, stderr)
            }
            Command::Run { options, print_command, json } => match options.check() {
                Err(error) => failure::print(&error, Some(error.hint()), stderr).map(|()| ExitCode::FAILURE),
                Ok(()) if print_command => {
                    show::command(&options.request(environment), OutputFormat::json(json), stdout, stderr)
                }
                Ok(()) => run::run(&options, environment, stderr),
            },
            Command::Status { place, runtime_directory } => {
                let (root, format) = place.split();
                let directory = status::directory(&root, runtime_directory, &environment);
                show::status(&directory, format, stdout, stderr)
            }
            Command::Version(place) => {
                let (root, format) = place.split();
                show::version(&root, format, stdout, stderr)
            }
            Command::Keep { command } => keep::keep(&command[0], &command[1..]).or_else(|error| {
                writeln!(stderr, "error: cannot keep the processes of a sidecar together: {error}")?;
                Ok(ExitCode::FAILURE)
            }),
            Command::Become { keeper, command } => {
                let error = keep::become_program(keeper, &command[0], &command[1..]);
                writeln!(stderr, "error: cannot run {}: {error}", command[0].display())
                    .map(|()| ExitCode::from(keep::CANNOT_BECOME))
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
