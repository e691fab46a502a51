//! Errors as users see them.

use std::{
    error::Error,
    io::{self, Write},
};

use crate::check::{Finding, Severity};

/// Writes `error:`, the chain of causes and the hint.
pub(crate) fn print(error: &dyn Error, hint: Option<&str>, stderr: &mut dyn Write) -> io::Result<()> {
    writeln!(stderr, "error: {error}")?;
    print_rest(error, hint, stderr)
}

/// Writes what belongs below the line of a message that is written already.
pub(crate) fn print_rest(error: &dyn Error, hint: Option<&str>, stderr: &mut dyn Write) -> io::Result<()> {
    for cause in causes(error) {
        writeln!(stderr, "caused by: {cause}")?;
    }
    hint.map_or(Ok(()), |hint| writeln!(stderr, "hint: {hint}"))
}

/// How many findings are what, in words.
pub(crate) fn count(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|finding| finding.severity() == Severity::Error).count();
    format!("errors: {errors}, warnings: {}", findings.len() - errors)
}

/// All that is below `error` in its chain.
pub(crate) fn causes(error: &dyn Error) -> impl Iterator<Item = &dyn Error> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
