//! Lines in what was read, and the one to remember.

use std::sync::{Mutex, PoisonError};

use super::output::Start;

/// What is kept of an error: more than fits a supervisor's message helps nobody.
const ERROR: usize = 512;

/// The newest line that says that something failed.
#[derive(Debug, Default)]
pub(super) struct LastError(Mutex<Vec<u8>>);

impl LastError {
    pub(super) fn get(&self) -> Option<String> {
        let line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from_utf8_lossy(&line).trim_end().to_owned();
        // A byte that is no UTF-8 becomes three.
        text.truncate(text.floor_char_boundary(ERROR));
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn set(&self, line: &[u8]) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clear();
        last.extend_from_slice(&line[..line.len().min(ERROR)]);
    }
}

/// How many lines end in it.
pub(super) fn count(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// The lines of a text with their ends, each with whether it has its head here.
pub(super) fn lines(text: &[u8], start: Start) -> Lines<'_> {
    Lines { text, begins: start == Start::Line }
}

pub(super) struct Lines<'a> {
    /// Not given yet.
    pub(super) text: &'a [u8],
    begins: bool,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], bool);

    fn next(&mut self) -> Option<Self::Item> {
        if self.text.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.text).map_or(self.text.len(), |end| end + 1);
        let (line, rest) = self.text.split_at(end);
        self.text = rest;
        Some((line, std::mem::replace(&mut self.begins, true)))
    }
}
