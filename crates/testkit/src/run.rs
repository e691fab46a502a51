//! Our own programs, run to their end.

use std::process::{Command, Output};

/// What one run said.
#[derive(Debug)]
pub struct Run {
    /// Nothing if a signal ended it.
    pub code: Option<i32>,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
}

impl Run {
    /// Runs it.
    #[must_use]
    pub fn of(command: &mut Command) -> Self {
        command.output().expect("it starts").into()
    }

    /// Itself, if it did what it should.
    #[must_use]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// The one document that it wrote, and nothing else.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.stderr, "", "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Run {
    fn from(Output { status, stdout, stderr }: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("our programs write UTF-8");
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}
