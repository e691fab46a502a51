//! The commands `serve` and `check`.

use std::{io, path::PathBuf, process::ExitCode};

use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::{cli::Streams, commands::Outcome};

use super::{
    access_log::LogFormat,
    server,
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

impl ServeArgs {
    fn config(self) -> Result<Config, SettingsError> {
        let file = self.config.map(|path| Settings::read(&path)).transpose()?.unwrap_or_default();
        self.settings.over(file).resolve()
    }

    /// Serves until it is told to end.
    pub(crate) fn serve(self) -> Outcome {
        let config = self.config()?;
        log_to_stderr(config.log);
        server::run(&config)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Says whether `serve` could start with this.
    pub(crate) fn check(self, streams: &mut Streams<'_>) -> Outcome {
        let served = server::check(&self.config()?)?;
        writeln!(streams.stdout, "ready to serve {served}")?;
        Ok(ExitCode::SUCCESS)
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
