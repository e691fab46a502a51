//! The commands `serve` and `check`.

use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{
    access_log::LogFormat,
    server::{self, ServeError},
    settings::{Config, Settings, SettingsError},
};

/// Flags of both commands.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A TOML file with the flags below as keys; flags and environment go before it
    #[arg(long, value_name = "FILE", env = "SLIPWAY_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Either command's failure.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl CommandError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => Some(error.hint()),
            Self::Serve(error) => error.hint(),
        }
    }
}

impl ServeArgs {
    fn config(self) -> Result<Config, SettingsError> {
        let file = self.config.map(|path| Settings::read(&path)).transpose()?.unwrap_or_default();
        self.settings.over(file).resolve()
    }

    /// Serves until it is told to end.
    pub(crate) fn serve(self, stderr: &mut dyn Write) -> io::Result<ExitCode> {
        let run = |args: Self| -> Result<(), CommandError> {
            let config = args.config()?;
            log_to_stderr(config.log);
            Ok(server::run(&config)?)
        };
        report(run(self), stderr)
    }

    /// Says whether `serve` could start with this.
    pub(crate) fn check(self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> io::Result<ExitCode> {
        let run = |args: Self| -> Result<String, CommandError> { Ok(server::check(&args.config()?)?) };
        match run(self) {
            Ok(served) => {
                writeln!(stdout, "ready to serve {served}")?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => report(Err(error), stderr),
        }
    }
}

/// What happens, at level `info` or as `RUST_LOG` says.
fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
        LogFormat::Off => {}
    }
}

fn report(result: Result<(), CommandError>, stderr: &mut dyn Write) -> io::Result<ExitCode> {
    let Err(error) = result else { return Ok(ExitCode::SUCCESS) };
    writeln!(stderr, "error: {error}")?;
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        writeln!(stderr, "caused by: {cause}")?;
    }
    if let Some(hint) = error.hint() {
        writeln!(stderr, "hint: {hint}")?;
    }
    Ok(ExitCode::FAILURE)
}
