//! `sidecar.env` and `cluster.env`: assignments that a POSIX shell would read to the same values.
//!
//! Accepted are blank lines, comments and lines of `NAME=value` words, with or without `export` before them. A value is
//! written as in POSIX.1-2024, Shell Command Language, 2.2: `'...'`, `"..."`, `\c`, and any mix of them. Whatever a shell would
//! expand or run is an error, and so is what shells read differently. No shell is run.

mod cursor;
mod error;
mod parser;

pub use cursor::Position;
pub use error::{Fault, SyntaxError};

/// One `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// `[A-Za-z_][A-Za-z0-9_]*`
    pub name: String,
    /// Without its quotes.
    pub value: String,
    /// Of the name's first character.
    pub position: Position,
}

/// Reads a file's assignments in their order; a later one of the same name wins. All that is wrong comes back at once,
/// ordered by position.
pub fn parse(content: &[u8]) -> Result<Vec<Assignment>, Vec<SyntaxError>> {
    parser::parse(content)
}
