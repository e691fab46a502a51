//! What a command costs: CPU time and memory, of the process and all that it started.

use std::time::Instant;

use crate::command::{Cmd, CommandError};

/// The cost of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// User and system time of all processes, in seconds.
    pub(super) cpu: f64,
    /// In seconds.
    pub(super) wall: f64,
    /// The largest resident set of any one process, in bytes.
    pub(super) peak_memory: u64,
}

/// Runs `command` under GNU time.
pub(super) fn measure(command: &Cmd) -> Result<Cost, CommandError> {
    let file =
        tempfile::NamedTempFile::new().map_err(|source| CommandError::Start { command: "time".to_owned(), source })?;
    let timed =
        command.under(Cmd::new("/usr/bin/time").args(["--quiet", "--format=%U %S %M", "--output"]).arg(file.path()));
    let start = Instant::now();
    timed.output()?;
    let wall = start.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(file.path())
        .map_err(|source| CommandError::Start { command: timed.to_string(), source })?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [user, system, kilobytes] = numbers[..] else {
        return Err(CommandError::Failed { command: timed.to_string(), status: "no times".to_owned(), output: text });
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "GNU time prints a whole number")]
    let peak_memory = kilobytes as u64 * 1024;
    Ok(Cost { cpu: user + system, wall, peak_memory })
}

/// The middle one by CPU time.
pub(super) fn median(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    costs[costs.len() / 2]
}
