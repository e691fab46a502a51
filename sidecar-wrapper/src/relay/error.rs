//! Why an output is not to be had.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why lines cannot go where they should.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The system refused.
    #[error("cannot open {} for the log", path.display())]
    Open {
        /// As named.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory, socket or disk.
    #[error("{} is no file for a log", path.display())]
    NotAFile {
        /// As named.
        path: PathBuf,
    },
    /// A named pipe that would hold up whoever writes to it.
    #[error("nobody reads the pipe {}", path.display())]
    NoReader {
        /// As named.
        path: PathBuf,
    },
    /// The wrapper's own stream is closed or broken.
    #[error("cannot write to {name}")]
    Stream {
        /// `stdout` or `stderr`.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Whoever reads the old file has taken nothing for a while.
    #[error("cannot reopen {name}: a write to it has not ended")]
    Busy {
        /// As named.
        name: String,
    },
}

impl RelayError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open { path, source } => match source.kind() {
                io::ErrorKind::NotFound => Some(format!("make the directory {} first", parent(path).display())),
                io::ErrorKind::PermissionDenied => Some(format!(
                    "the user that runs sidecar-wrapper must be able to write to {} and to make files in {}",
                    path.display(),
                    parent(path).display()
                )),
                _ => None,
            },
            Self::NotAFile { .. } => Some("name a regular file, a named pipe, /dev/stdout or /dev/stderr".to_owned()),
            Self::NoReader { .. } => Some("start the program that reads it first".to_owned()),
            Self::Stream { .. } | Self::Busy { .. } => None,
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
