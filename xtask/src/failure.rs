//! How errors leave the program: what happened, its causes, the next step, and whose fault it was.

use std::{error::Error, io::ErrorKind, process::ExitCode};

/// Whose fault an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Input, machine or network: exit code 1.
    User,
    /// A defect of Slipway: exit code 2.
    Ours,
}

/// An error that knows what its reader can do next.
pub(crate) trait Diagnose: Error + Send + Sync + 'static {
    /// The next step, where there is one.
    fn hint(&self) -> Option<String> {
        None
    }

    /// See [`Fault`].
    fn fault(&self) -> Fault {
        Fault::User
    }
}

/// Any module's error on its way to `main`.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    fault: Fault,
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl<E: Diagnose> From<E> for Failure {
    fn from(error: E) -> Self {
        // Whatever was being written: a full disk is nobody's defect.
        let (hint, fault) = if is_full_disk(&error) {
            (Some(FULL_DISK_HINT.to_owned()), Fault::User)
        } else {
            (error.hint(), error.fault())
        };
        Self { error: Box::new(error), hint, fault }
    }
}

const FULL_DISK_HINT: &str =
    "free some space; the last good tree and lock are as they were, and the command can be run again";

fn is_full_disk(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| {
        error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    })
}

/// Prints what clap has to say: help, or a mistake on the command line, which is the user's.
pub(crate) fn report_usage(answer: &clap::Error) -> ExitCode {
    // A reader that left is no error.
    let _ = answer.print();
    if answer.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

impl Failure {
    /// Prints the error, its causes and the hint to stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.error);
        let mut last = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            // Some libraries end their messages with a new line.
            let text = error.to_string().trim_end().to_owned();
            if !last.contains(&text) {
                eprintln!("  caused by: {text}");
                last = text;
            }
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        match self.fault {
            Fault::User => ExitCode::from(1),
            Fault::Ours => ExitCode::from(2),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

/// A file operation that failed. `fs_err` has put the path into the source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}")]
pub(crate) struct FileError {
    action: &'static str,
    source: std::io::Error,
}

impl FileError {
    /// `action` completes "cannot ...".
    pub(crate) const fn new(action: &'static str, source: std::io::Error) -> Self {
        Self { action, source }
    }
}

impl Diagnose for FileError {
    fn hint(&self) -> Option<String> {
        match self.source.kind() {
            ErrorKind::PermissionDenied => Some("check who owns the path".to_owned()),
            _ => None,
        }
    }
}

impl Diagnose for payload_splice::CacheError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}

/// Names the action that an I/O error ended.
pub(crate) trait FileContext<T> {
    /// See [`FileError::new`].
    fn while_(self, action: &'static str) -> Result<T, FileError>;
}

impl<T> FileContext<T> for std::io::Result<T> {
    fn while_(self, action: &'static str) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(action, source))
    }
}
