use std::{path::PathBuf, time::Duration};

use super::{ENVOY, Launch, Main, ProcessEnvironment, bootstrap::Listening, environment::inheritable};
use crate::root::Root;

/// How long Envoy drains unless somebody says otherwise.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// What Envoy logs, as it names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// All there is.
    Trace,
    /// For who looks for a defect.
    Debug,
    /// What happens; a hundred lines at each start.
    Info,
    /// What may fail. The same as of an Envoy under pilot-agent.
    #[default]
    Warning,
    /// What fails.
    Error,
    /// What ends it.
    Critical,
    /// Nothing.
    Off,
}

impl LogLevel {
    const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Off => "off",
        }
    }
}

/// The launch of Envoy on a bootstrap whose content is `listening`. `directory` is where relative paths count from.
pub(crate) fn launch(
    root: &Root,
    bootstrap: PathBuf,
    listening: Listening,
    environment: &ProcessEnvironment,
    directory: PathBuf,
    drain: Duration,
    log_level: LogLevel,
) -> Launch {
    let args = vec![
        "--config-path".into(),
        bootstrap.into(),
        // Hot restarts would need shared memory that a second sidecar could meet.
        "--disable-hot-restart".into(),
        "--drain-time-s".into(),
        drain.as_secs().to_string().into(),
        // Else Envoy closes connections only towards the end of that time, and what still comes in keeps it busy.
        "--drain-strategy".into(),
        "immediate".into(),
        "--log-level".into(),
        log_level.word().into(),
    ];
    Launch {
        main: Main::Envoy,
        program: root.path(ENVOY.as_ref()),
        args,
        env: inheritable(environment).map(|(name, value)| (name.clone(), value.clone())).collect(),
        directory,
        ports: listening.ports,
        sds_socket: None,
        admin: listening.admin,
    }
}
