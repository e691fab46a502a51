use std::{cell::RefCell, fmt, path::Path};

use serde::Serialize;

/// Whether a problem stops the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The agent cannot start with this file.
    Error,
    /// The agent starts, but this is seldom what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A position in a file; line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

/// One thing that is wrong with a configuration file.
///
/// `Display` is `severity: file:line:column: field: message`, without the hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether the agent can start all the same.
    pub severity: Severity,
    /// The file as it was named on the command line.
    pub file: String,
    /// Where in the file, when the parser knows it.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// The field, such as `onboardingEndpoint.port`; `None` for the whole document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.file)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// An error that can tell the user the next step.
pub trait Explain: std::error::Error {
    /// The next step, when there is one to name.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl Explain for artifact::RevisionError {
    fn hint(&self) -> Option<String> {
        Some("name the revision as the istio-sidecar package of this machine names it".to_owned())
    }
}

/// The problems of one file, in the order in which they were found.
#[derive(Debug)]
pub struct Problems {
    file: String,
    // Readers of sibling fields are alive at the same time and all report here.
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    /// No problems yet in `file`.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.display().to_string(), found: RefCell::default() }
    }

    /// Records something that stops the agent.
    pub fn error(&self, place: Option<Place>, field: &FieldPath, error: &dyn Explain) {
        self.add(Severity::Error, place, field, error);
    }

    /// Records something that is seldom meant.
    pub fn warning(&self, place: Option<Place>, field: &FieldPath, error: &dyn Explain) {
        self.add(Severity::Warning, place, field, error);
    }

    fn add(&self, severity: Severity, place: Option<Place>, field: &FieldPath, error: &dyn Explain) {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        // Errors from other crates quote text of the file as it is.
        let message = clipped(&message, 1000);
        let field = (!field.0.is_empty()).then(|| field.0.clone());
        let problem = Problem { severity, file: self.file.clone(), place, field, message, hint: error.hint() };
        self.found.borrow_mut().push(problem);
    }

    /// Whether anything stops the agent.
    #[must_use]
    pub fn any_error(&self) -> bool {
        self.found.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// All problems in the order of their places; those without one come first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|problem| problem.place.map(|place| (place.line, place.column)));
        found
    }
}

/// The path of a field: `host.custom.credential[0].plugin.name`; empty for the document itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(String);

impl FieldPath {
    /// The field `name` of this object.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Self(match (plain, self.0.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{}.{name}", self.0),
            (false, _) => format!("{}[\"{}\"]", self.0, printable(name)),
        })
    }

    /// The element `index` of this list.
    #[must_use]
    pub fn element(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

/// `text` from a file as it may be printed: control characters escaped, at most 80 characters.
pub(crate) fn printable(text: &str) -> String {
    clipped(text, 80)
}

fn clipped(text: &str, most: usize) -> String {
    let mut printed = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == most {
            printed.push_str("...");
            break;
        }
        // The others reorder or break the line that they stand in.
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}') {
            printed.extend(character.escape_default());
        } else {
            printed.push(character);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::{FieldPath, printable};

    #[test]
    fn quotes_keys_that_are_no_identifiers() {
        let path = FieldPath::default().child("workload").child("labels").child("app.kubernetes.io/name");
        assert_eq!(path, FieldPath("workload.labels[\"app.kubernetes.io/name\"]".to_owned()));
        assert_eq!(FieldPath::default().child("a").element(2).child("b"), FieldPath("a[2].b".to_owned()));
    }

    #[test]
    fn shows_no_terminal_escapes_and_no_endless_text() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(printable(&"x".repeat(200)).len(), 83);
    }
}
