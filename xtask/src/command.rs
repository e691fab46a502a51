//! Running other programs: shown as a line that can be pasted into a shell, with what they said when they fail.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::failure::{Diagnose, Fault};

/// A program with its arguments and the environment that it gets on top of ours.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
}

impl Cmd {
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), args: Vec::new(), env: Vec::new(), dir: None }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// The same command, started by `wrapper`, such as `time` or `strace`.
    pub(crate) fn under(&self, wrapper: Self) -> Self {
        let Self { program, args, env, dir } = self.clone();
        let mut wrapped = wrapper.arg(program).args(args);
        wrapped.env.extend(env);
        wrapped.dir = dir;
        wrapped
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Runs with stdout and stderr going to our stderr: stdout carries data only.
    pub(crate) fn run(&self) -> Result<(), CommandError> {
        let status = self
            .command()
            .stdout(std::io::stderr())
            .status()
            .map_err(|source| CommandError::Start { command: self.to_string(), source })?;
        if status.success() {
            Ok(())
        } else {
            Err(CommandError::Failed { command: self.to_string(), status: status.to_string(), output: String::new() })
        }
    }

    /// Runs and keeps what it printed; stderr becomes part of the error.
    pub(crate) fn output(&self) -> Result<Vec<u8>, CommandError> {
        let Output { status, stdout, stderr } =
            self.command().output().map_err(|source| CommandError::Start { command: self.to_string(), source })?;
        if status.success() {
            return Ok(stdout);
        }
        let mut output = String::from_utf8_lossy(&stdout).into_owned();
        output.push_str(&String::from_utf8_lossy(&stderr));
        let skip = output.lines().count().saturating_sub(20);
        let output = output.lines().skip(skip).fold(String::new(), |text, line| text + "\n    " + line);
        Err(CommandError::Failed { command: self.to_string(), status: status.to_string(), output })
    }

    /// Runs and gives what it printed, without white space at the ends.
    pub(crate) fn text(&self) -> Result<String, CommandError> {
        Ok(String::from_utf8_lossy(&self.output()?).trim().to_owned())
    }

    /// Whether it can be started and succeeds; nothing is printed.
    pub(crate) fn succeeds(&self) -> bool {
        self.output().is_ok()
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dir) = &self.dir {
            write!(f, "cd {} && ", quote(dir.as_os_str()))?;
        }
        for (name, value) in &self.env {
            write!(f, "{}={} ", name.display(), quote(value))?;
        }
        f.write_str(&quote(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quote(arg)))
    }
}

fn quote(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| format!("{text:?}"), std::borrow::Cow::into_owned)
}

/// A program that did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("cannot start `{command}`")]
    Start { command: String, source: std::io::Error },
    #[error("`{command}` failed: {status}{output}")]
    Failed { command: String, status: String, output: String },
}

impl Diagnose for CommandError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Start { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("install what is missing with: cargo xtask setup".to_owned())
            }
            _ => None,
        }
    }

    fn fault(&self) -> Fault {
        Fault::User
    }
}

#[cfg(test)]
mod tests {
    use super::Cmd;

    #[test]
    fn displays_a_line_that_a_shell_reads_back() {
        let cmd = Cmd::new("printf").arg("%s|").arg("it's").arg("a b").env("X", "1 2");
        let shown = cmd.to_string();
        let printed = Cmd::new("sh").arg("-c").arg(&shown).text().expect("sh runs");
        assert_eq!(printed, "it's|a b|", "{shown}");
    }

    #[test]
    fn failure_carries_the_last_lines_of_output() {
        let error =
            Cmd::new("sh").args(["-c", "seq 30; echo oops >&2; exit 3"]).output().expect_err("exit 3").to_string();
        assert!(error.contains("exit status: 3") && error.contains("oops") && !error.contains("\n    5\n"), "{error}");
    }
}
