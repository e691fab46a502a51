//! Errors as users see them.

use std::{
    error::Error,
    io::{self, Write},
};

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

/// All that is below `error` in its chain.
pub(crate) fn causes(error: &dyn Error) -> impl Iterator<Item = &dyn Error> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
