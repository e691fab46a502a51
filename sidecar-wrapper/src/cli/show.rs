//! The commands that look and show, and change nothing.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use super::OutputFormat;
use crate::{
    check::Machine,
    failure,
    launch::{self, Request, ThisHost},
    root::Root,
    run::CANNOT_RUN,
    status::{self, Reading},
    version::Installed,
};

pub(super) fn check(
    machine: &Machine,
    format: OutputFormat,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<ExitCode> {
    let report = machine.check(&ThisHost);
    match format {
        OutputFormat::Text => report.write_text(stdout, stderr)?,
        OutputFormat::Json => report.write_json(stdout)?,
    }
    Ok(ExitCode::from(u8::from(!report.valid())))
}

pub(super) fn command(
    request: &Request,
    format: OutputFormat,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<ExitCode> {
    let plan = match launch::plan(request, &ThisHost) {
        Ok(plan) => plan,
        Err(error) => {
            error.write(stderr)?;
            return Ok(ExitCode::from(CANNOT_RUN));
        }
    };
    plan.warnings.iter().try_for_each(|warning| warning.write(stderr))?;
    let command = launch::Command::new(&plan, &request.environment);
    match format {
        OutputFormat::Text => command.write_text(stdout)?,
        OutputFormat::Json => command.write_json(stdout)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit codes are those of the Linux Standard Base for `status`.
pub(super) fn status(
    directory: &Path,
    format: OutputFormat,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<ExitCode> {
    let reading = match status::read(directory) {
        Ok(reading) => reading,
        Err(error) => {
            failure::print(&error, error.hint().as_deref(), stderr)?;
            return Ok(ExitCode::from(4));
        }
    };
    match format {
        OutputFormat::Text => status::show_text(&reading, stdout)?,
        OutputFormat::Json => status::show_json(&reading, stdout)?,
    }
    Ok(ExitCode::from(match reading {
        Reading::Running(status) => u8::from(!status.ready),
        Reading::Silent => 4,
        Reading::Gone { .. } | Reading::None => 3,
    }))
}

pub(super) fn version(
    root: &Root,
    format: OutputFormat,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<ExitCode> {
    let installed = match Installed::read(root) {
        Ok(installed) => installed,
        Err(error) => {
            failure::print(&error, error.hint().as_deref(), stderr)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    match format {
        OutputFormat::Text => write!(stdout, "{installed}")?,
        OutputFormat::Json => {
            serde_json::to_writer_pretty(&mut *stdout, &installed)?;
            writeln!(stdout)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
