//! How errors leave the program: what happened, its causes, the next step, and whose fault it was.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use crate::serve::{ServeError, SettingsError};
use release_store::{ConnectError, PublishError, ReadError, StoreError, tree::TreeError};

/// What ends a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Input, store or network: exit code 1.
    User { error: Box<dyn Error>, hint: Option<String> },
    /// The output cannot be written: exit code 2.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

macro_rules! from_users_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::User { hint: error.hint(), error: Box::new(error) }
            }
        }
    )*};
}

from_users_errors!(TreeError, ConnectError, StoreError, ReadError, PublishError, ServeError);

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::User { hint: Some(error.hint()), error: Box::new(error) }
    }
}

impl Failure {
    /// Prints the error, its causes and the hint, and gives the exit code.
    pub(crate) fn report(&self, stderr: &mut dyn Write) -> ExitCode {
        // Nothing is left to do when stderr is closed as well.
        let _ = self.print(stderr);
        match self {
            Self::User { .. } => ExitCode::FAILURE,
            Self::Output(_) => ExitCode::from(2),
        }
    }

    fn print(&self, stderr: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::User { error, hint } => {
                writeln!(stderr, "error: {error}")?;
                let mut last = error.to_string();
                for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
                    // Some libraries repeat a cause in the error that it caused.
                    let text = cause.to_string().trim_end().to_owned();
                    if !last.contains(&text) {
                        writeln!(stderr, "caused by: {text}")?;
                        last = text;
                    }
                }
                hint.as_ref().map_or(Ok(()), |hint| writeln!(stderr, "hint: {hint}"))
            }
            Self::Output(error) => writeln!(stderr, "error: cannot write the output\ncaused by: {error}"),
        }
    }
}
