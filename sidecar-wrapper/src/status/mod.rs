//! What a running wrapper tells about itself: one small file, for the agent, for scripts and for people.
//!
//! The wrapper holds a lock next to it, so a file that a killed wrapper left behind is known as such.

mod document;
mod file;
mod reading;
mod show;

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

pub use document::{LastEnding, MainProcess, Sidecar, State, Status, Wrapper, now};
pub use file::{ClaimError, StatusFile, WriteError};
pub use reading::{ReadError, Reading, read};
pub(crate) use show::{show_json, show_text};

use crate::{launch::ProcessEnvironment, root::Root};

/// Where the service has its directory unless systemd says otherwise.
const DIRECTORY: &str = "/run/istio-sidecar";
/// The status, within the directory.
const FILE: &str = "status.json";
/// The hint for who names a file.
const NO_DIRECTORY: &str = "name a directory with --runtime-directory";
/// What a running wrapper holds.
const LOCK: &str = "lock";

/// The directory of the status: the one that somebody named, or what systemd gives a service as `RUNTIME_DIRECTORY`, or the usual
/// one. The last two are below `root`.
#[must_use]
pub fn directory(root: &Root, named: Option<PathBuf>, environment: &ProcessEnvironment) -> PathBuf {
    // A service may have several, separated by colons.
    let list = environment.get(OsStr::new("RUNTIME_DIRECTORY"));
    let first = list.and_then(|list| list.as_bytes().split(|&byte| byte == b':').next());
    let on_vm = first
        .filter(|first| !first.is_empty())
        .map_or(Path::new(DIRECTORY), |first| Path::new(OsStr::from_bytes(first)));
    named.unwrap_or_else(|| root.path(on_vm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_systemds_or_the_usual_one() {
        let root = Root::new("/image".into());
        for (variable, expected) in [
            (None, "/image/run/istio-sidecar"),
            (Some(""), "/image/run/istio-sidecar"),
            (Some("/run/a"), "/image/run/a"),
            (Some("/run/a:/run/b"), "/image/run/a"),
        ] {
            let variable = variable.map(|value| ("RUNTIME_DIRECTORY".into(), value.into()));
            let environment = ProcessEnvironment::from_iter(variable);
            assert_eq!(directory(&root, None, &environment), Path::new(expected));
            assert_eq!(directory(&root, Some("/named".into()), &environment), Path::new("/named"));
        }
    }
}
