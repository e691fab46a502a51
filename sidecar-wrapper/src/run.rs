//! `sidecar-wrapper run`: all that is there before the sidecar is, and how it ends.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, builder::RangedU64ValueParser, value_parser};
use rustix::process::{Resource, Rlimit};

use crate::{
    failure,
    file::FileFault,
    launch::{self, DEFAULT_DRAIN, LogLevel, Plan, ProcessEnvironment, Request, ThisHost},
    relay::{Destination, Level, Output, RelayError},
    root::Root,
    signals,
    status::{self, ClaimError, Status, StatusFile},
    supervise::{Exit, Outputs, Policy, Record, Supervisor},
};

/// How `run` ends when there is nothing to run, or nothing to run it with: `EX_CONFIG` of sysexits.h, so that systemd can tell.
pub const CANNOT_RUN: u8 = 78;

/// Envoy holds two files for each connection, and more than this many are never open.
const FILES: u64 = 1 << 20;
/// Envoy writes the address of its administration there, in the directory of the status.
const ADDRESS_FILE: &str = "envoy-admin-address";

/// The options of `run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The directory that stands for /; all paths are below it
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    /// Run Envoy alone, with this configuration
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,

    /// What Envoy logs when it runs alone; under pilot-agent, `ISTIO_AGENT_FLAGS` says it with --proxyLogLevel
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t)]
    envoy_log_level: LogLevel,

    /// Where the wrapper keeps its status, rather than in `RUNTIME_DIRECTORY` or /run/istio-sidecar below --root
    #[arg(long, value_name = "DIR")]
    runtime_directory: Option<PathBuf>,

    /// Append what the sidecar prints on stdout to this file
    #[arg(long, value_name = "FILE", default_value = "/dev/stdout")]
    stdout: PathBuf,

    /// Append what the sidecar prints on stderr to this file
    #[arg(long, value_name = "FILE", default_value = "/dev/stderr")]
    stderr: PathBuf,

    /// How long requests in flight may take to finish when the sidecar is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_DRAIN.as_secs(), value_parser = seconds())]
    drain_timeout: u64,

    /// How long to drain at least, for balancers that have to see first that the sidecar is going; at most as long as --drain-timeout
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = seconds())]
    drain_minimum: u64,

    /// When to kill a sidecar that was told to end
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = seconds())]
    stop_timeout: u64,

    /// How often in a row to start a sidecar again that ends by itself, with growing pauses
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    restarts: u32,

    /// Stop when stdin ends, which it does when the program that holds its other end ends, in whatever way
    #[arg(long)]
    until_stdin_ends: bool,
}

/// More would not fit what is reckoned with it.
fn seconds() -> RangedU64ValueParser {
    value_parser!(u64).range(..=u64::from(u32::MAX))
}

/// Options that contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("--drain-minimum of {minimum} s is longer than --drain-timeout of {timeout} s")]
pub struct DrainError {
    minimum: u64,
    timeout: u64,
}

impl DrainError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "--drain-timeout ends every drain: make it at least as long"
    }
}

impl RunOptions {
    /// Whether each of them can be kept.
    pub const fn check(&self) -> Result<(), DrainError> {
        let Self { drain_minimum: minimum, drain_timeout: timeout, .. } = *self;
        if minimum > timeout { Err(DrainError { minimum, timeout }) } else { Ok(()) }
    }

    /// What is asked to be run.
    #[must_use]
    pub fn request(&self, environment: ProcessEnvironment) -> Request {
        Request {
            bootstrap: self.bootstrap.clone(),
            drain: self.policy().drain,
            log_level: self.envoy_log_level,
            ..Request::new(Root::new(self.root.clone()), environment)
        }
    }

    fn policy(&self) -> Policy {
        Policy {
            drain: Duration::from_secs(self.drain_timeout),
            drain_minimum: Duration::from_secs(self.drain_minimum),
            stop: Duration::from_secs(self.stop_timeout),
            restarts: self.restarts,
        }
    }

    fn outputs(&self, journal_stream: Option<&OsStr>) -> Result<Outputs, RelayError> {
        let named = |path: &PathBuf| Destination::named(path.clone());
        let destinations = [&named(&self.stdout), &named(&self.stderr), &Destination::Stderr];
        let [stdout, stderr, own] = Output::open_all(destinations, journal_stream)?;
        Ok(Outputs { stdout, stderr, own })
    }
}

/// Why the sidecar is not even tried.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot run {}", program.display())]
    Program { program: PathBuf, source: ProgramFault },
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error("cannot look after a sidecar: the system refuses a thread, a pipe or a signal")]
    System(#[source] io::Error),
}

/// What is wrong with a program.
#[derive(Debug, thiserror::Error)]
enum ProgramFault {
    #[error(transparent)]
    File(FileFault),
    #[error("it is not executable")]
    NotExecutable,
}

impl RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Program { .. } => Some("the package istio-sidecar installs this file: install it again".to_owned()),
            Self::Claim(error) => error.hint(),
            Self::System(_) => None,
        }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Program { .. } => CANNOT_RUN,
            Self::Claim(ClaimError::Held { .. }) => code(Exit::Conflict),
            Self::Claim(_) => 1,
            Self::System(_) => 2,
        }
    }
}

/// Those of sysexits.h that fit.
const fn code(exit: Exit) -> u8 {
    match exit {
        Exit::Stopped => 0,
        // EX_DATAERR
        Exit::Rejected => 65,
        // EX_UNAVAILABLE
        Exit::Conflict => 69,
        // EX_SOFTWARE
        Exit::Left => 70,
        // EX_TEMPFAIL
        Exit::GaveUp => 75,
    }
}

/// Runs the sidecar until it is told to stop. Must be called by the program's first thread.
pub fn run(options: &RunOptions, environment: ProcessEnvironment, stderr: &mut dyn Write) -> io::Result<ExitCode> {
    let request = options.request(environment);
    let journal_stream = request.environment.get(OsStr::new("JOURNAL_STREAM")).map(OsString::as_os_str);
    let outputs = match options.outputs(journal_stream) {
        Ok(outputs) => outputs,
        Err(error) => {
            failure::print(&error, error.hint().as_deref(), stderr)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let own = Arc::clone(&outputs.own);
    let plan = match launch::plan(&request, &ThisHost) {
        Ok(plan) => plan,
        Err(error) => {
            error.write(&mut own.message(Level::Error))?;
            return Ok(ExitCode::from(CANNOT_RUN));
        }
    };
    plan.warnings.iter().try_for_each(|warning| warning.write(&mut own.message(Level::Warning)))?;
    match supervise(options, plan, &request, outputs) {
        Ok(exit) => Ok(ExitCode::from(code(exit))),
        Err(error) => {
            failure::print(&error, error.hint().as_deref(), &mut own.message(Level::Error))?;
            Ok(ExitCode::from(error.code()))
        }
    }
}

fn supervise(options: &RunOptions, plan: Plan, request: &Request, outputs: Outputs) -> Result<Exit, RunError> {
    let program = &plan.launch.program;
    look_at(program).map_err(|source| RunError::Program { program: program.clone(), source })?;
    let directory = status::directory(&request.root, options.runtime_directory.clone(), &request.environment);
    let file = StatusFile::claim(&directory)?;
    raise_limit_of_files(&outputs.own);
    let record = Record::new(file, Status::starting((&plan.sidecar).into()));
    signals::start_afresh().map_err(RunError::System)?;
    let supervisor = Supervisor::new(
        plan.launch,
        options.policy(),
        outputs,
        record,
        directory.join(ADDRESS_FILE),
        options.until_stdin_ends,
    );
    Ok(supervisor.map_err(RunError::System)?.run())
}

/// What the kernel would say only once everything else is there.
fn look_at(program: &Path) -> Result<(), ProgramFault> {
    let metadata = fs::metadata(program).map_err(|error| ProgramFault::File(FileFault::from_io(error)))?;
    if !metadata.is_file() {
        return Err(ProgramFault::File(FileFault::NotAFile));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(ProgramFault::NotExecutable);
    }
    Ok(())
}

/// The sidecar inherits the limit. Shells and the agent's service may have a low one.
fn raise_limit_of_files(own: &Arc<Output>) {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if limit.current.is_some_and(|current| current < wanted)
        && let Err(error) = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
    {
        own.say(Level::Warning, &format!("cannot raise the limit of open files: {error}"));
    }
}
