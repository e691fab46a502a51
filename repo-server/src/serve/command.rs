//! The commands `serve` and `check`.

use std::{env, io, path::PathBuf, process::ExitCode};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use tracing_subscriber::EnvFilter;

use crate::{cli::Streams, commands::Outcome};

use super::{
    access_log::LogFormat,
    config::{Config, SettingsError},
    server,
    settings::Settings,
};

/// Flags of both commands.
#[derive(Debug, Args)]
struct Flags {
    /// A TOML file with the flags below as keys; flags and environment go before it
    #[arg(long, value_name = "FILE", env = "SLIPWAY_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// The same, read with what clap's derive does not know: an empty variable is none, and a flag wins over the variable of its
/// opposite.
#[derive(Debug)]
pub(crate) struct ServeArgs(Flags);

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        Flags::augment_args(command).mut_args(without_empty_variable)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args_for_update(command).mut_args(without_empty_variable)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Flags::from_arg_matches(matches)?;
        args.settings.overrule(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Ok(Self(args))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn without_empty_variable(arg: Arg) -> Arg {
    let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(None::<&'static str>) } else { arg }
}

impl ServeArgs {
    /// Serves until it is told to end.
    pub(crate) fn serve(self) -> Outcome {
        let config = self.0.config()?;
        log_to_stderr(config.log);
        server::run(&config)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Says whether `serve` could start with this.
    pub(crate) fn check(self, streams: &mut Streams<'_>) -> Outcome {
        let served = server::check(&self.0.config()?)?;
        writeln!(streams.stdout, "ready to serve {served}")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Flags {
    fn config(self) -> Result<Config, SettingsError> {
        let file = self.config.map(|path| Settings::read(&path)).transpose()?.unwrap_or_default();
        self.settings.over(file).resolve()
    }
}

/// Trouble with a store is said by those who meet it, and not at each attempt.
const DEFAULT_FILTER: &str = "info,object_store=error";

/// What happens, at level `info` or as `RUST_LOG` says.
fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
        LogFormat::Off => {}
    }
}
