//! What is written down for `sidecar-wrapper status` and for the agent.

use std::{net::SocketAddr, path::Path};

use super::state;
use crate::{
    ending::{Ending, OutOfMemory},
    status::{self, LastEnding, MainProcess, Status, StatusFile, WriteError},
};

/// The status and its file.
#[derive(Debug)]
pub struct Record {
    file: StatusFile,
    status: Status,
}

impl Record {
    /// Nothing is written yet.
    #[must_use]
    pub const fn new(file: StatusFile, status: Status) -> Self {
        Self { file, status }
    }

    /// A run begins, after so many others.
    pub(super) fn begins(&mut self, restarts: u32) {
        self.status.restarts = restarts;
        self.status.main = None;
    }

    pub(super) fn runs(&mut self, program: &Path, pid: u32) -> Result<(), WriteError> {
        let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        self.status.main = Some(MainProcess { program, pid, started: status::now() });
        self.write()
    }

    /// What it ended with is written with the state that follows.
    pub(super) fn ended(&mut self, ending: Option<Ending>, memory: Option<OutOfMemory>) {
        self.status.main = None;
        if let Some(ending) = ending {
            self.status.last_ending = Some(LastEnding::new(ending, memory));
        }
    }

    pub(super) fn state(
        &mut self,
        state: state::State,
        admin: Option<SocketAddr>,
        message: Option<&str>,
    ) -> Result<(), WriteError> {
        self.status.admin = admin;
        self.status.enter(shown(state), message.map(str::to_owned));
        self.write()
    }

    /// The orderly end.
    pub(super) fn close(self) -> Result<(), WriteError> {
        self.file.remove()
    }

    fn write(&self) -> Result<(), WriteError> {
        self.file.write(&self.status)
    }
}

/// To those outside, it is one thing how it is made to end.
const fn shown(state: state::State) -> status::State {
    match state {
        state::State::Starting => status::State::Starting,
        state::State::Ready => status::State::Ready,
        state::State::NotReady => status::State::NotReady,
        state::State::Draining => status::State::Draining,
        state::State::Stopping | state::State::Killing | state::State::Forcing | state::State::Done(_) => {
            status::State::Stopping
        }
        state::State::Waiting => status::State::Waiting,
    }
}
