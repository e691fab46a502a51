//! What the wrapper says, and to whom.

use std::{fmt::Display, io, sync::Arc};

use super::{notify, supervisor::Supervisor};
use crate::{failure::chain, relay::Level, status::WriteError};

impl Supervisor {
    /// To those who ask how it is, now.
    pub(super) fn tell(&mut self, message: impl AsRef<str>) {
        notify::status(message.as_ref());
        self.note(Some(message.as_ref()));
    }

    /// For those who ask later.
    pub(super) fn note(&mut self, message: Option<&str>) {
        let written = self.record.state(self.state, self.admin, message);
        self.written(written);
    }

    /// The sidecar does not suffer from a status that cannot be written; once is enough to say it.
    pub(super) fn written(&mut self, written: Result<(), WriteError>) {
        match written {
            Ok(()) => self.unwritten = false,
            Err(_) if self.unwritten => {}
            Err(error) => {
                self.unwritten = true;
                self.say(Level::Warning, format!("{}; what it said before stands", chain(&error)));
            }
        }
    }

    /// To those who read the log.
    pub(super) fn say(&self, level: Level, message: impl Display) {
        self.outputs.own.say(level, &message.to_string());
    }

    /// A run that did not come to be.
    pub(super) fn say_not_started(&self, error: &io::Error) {
        self.say(Level::Error, format!("cannot start {}: {error}", self.launch.main));
        // EAGAIN, of a process or a thread.
        if error.kind() == io::ErrorKind::WouldBlock {
            self.say(
                Level::Error,
                "hint: there may be no more processes and threads: see TasksMax= of the service, and `ulimit -u` of its user",
            );
        }
    }

    pub(super) fn tell_what_it_says(&mut self) {
        self.tell(format!("{}: {} says: {}", self.state, self.launch.main, self.says));
    }

    pub(super) fn reopen(&self) {
        let mut done = true;
        let (stdout, stderr) = (&self.outputs.stdout, &self.outputs.stderr);
        // Both may be one.
        let others = (!Arc::ptr_eq(stdout, stderr)).then_some(stderr);
        for output in std::iter::once(stdout).chain(others) {
            // The output says itself what is wrong; those who read the wrapper's own lines must know, too.
            if let Err(error) = output.reopen() {
                done = false;
                self.say(Level::Error, chain(&error));
            }
        }
        if done {
            self.say(Level::Info, "the log files are opened again");
        }
    }
}
