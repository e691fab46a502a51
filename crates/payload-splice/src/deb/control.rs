use std::fmt;

/// The fields of a DEB's control file, in their order (deb-control(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFields(Vec<(String, String)>);

/// Text that is no control file, or a field that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A line that is neither a field nor the continuation of one.
    #[error("line {line} of the control file is no field")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// The same field twice, whatever the case.
    #[error("the control file has the field {field} twice")]
    Repeated {
        /// Its name.
        field: String,
    },
    /// A field that every package has is missing.
    #[error("the control file has no field {field}")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// The name of a field to write.
    #[error("invalid name `{}` of a control field: expected letters, digits and hyphens", .0.escape_debug())]
    Name(String),
    /// The value of a field to write.
    #[error("invalid value `{}` of the control field {field}: every line after the first starts with a space", value.escape_debug())]
    Value {
        /// The field.
        field: String,
        /// What was to be written.
        value: String,
    },
}

impl ControlFields {
    /// Reads one paragraph.
    pub fn parse(text: &str) -> Result<Self, ControlError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (at, line) in text.trim_end().lines().enumerate() {
            let error = || ControlError::Line { line: at + 1 };
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut().ok_or_else(error)?;
                value.push('\n');
                value.push_str(line);
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(error)?;
            check_name(name).map_err(|_| error())?;
            if fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(ControlError::Repeated { field: name.to_owned() });
            }
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self(fields))
    }

    /// The value of `field`, lines after the first with their space.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, value)| value.as_str())
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn require(&self, field: &'static str) -> Result<&str, ControlError> {
        self.get(field).filter(|value| !value.is_empty()).ok_or(ControlError::Missing { field })
    }

    /// Replaces the field where it stands; a new one goes before Description, which is last by custom.
    pub(crate) fn set(&mut self, field: &str, value: String) {
        if let Some((_, old)) = self.0.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(field)) {
            *old = value;
            return;
        }
        let at = self.0.iter().position(|(name, _)| name.eq_ignore_ascii_case("Description")).unwrap_or(self.0.len());
        self.0.insert(at, (field.to_owned(), value));
    }

    pub(crate) fn apply(&mut self, edit: &ControlEdit) {
        for (field, change) in &edit.0 {
            match change {
                Some(value) => self.set(field, value.clone()),
                None => self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(field)),
            }
        }
    }
}

impl fmt::Display for ControlFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| {
            let space = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
            writeln!(f, "{name}:{space}{value}")
        })
    }
}

/// Changes to a control file, made in their order. `Installed-Size` is computed after them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlEdit(Vec<(String, Option<String>)>);

impl ControlEdit {
    /// No change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `field`, replacing or adding it.
    pub fn set(mut self, field: &str, value: &str) -> Result<Self, ControlError> {
        check_name(field)?;
        let mut lines = value.split('\n');
        let plain = |line: &str| !line.contains(|c: char| c.is_control() && c != '\t');
        let first = lines.next().is_some_and(|line| plain(line) && line.trim() == line);
        let rest = lines.all(|line| plain(line) && line.starts_with([' ', '\t']) && !line.trim().is_empty());
        if !first || !rest || value.trim().is_empty() {
            return Err(ControlError::Value { field: field.to_owned(), value: value.to_owned() });
        }
        self.0.push((field.to_owned(), Some(value.to_owned())));
        Ok(self)
    }

    /// Removes `field` if it is there.
    pub fn remove(mut self, field: &str) -> Result<Self, ControlError> {
        check_name(field)?;
        self.0.push((field.to_owned(), None));
        Ok(self)
    }
}

fn check_name(name: &str) -> Result<(), ControlError> {
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if good { Ok(()) } else { Err(ControlError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "Package: x\nDepends: a,\n b\nDescription: short\n long\n .\n more\n";

    #[test]
    fn keeps_order_and_continuation_lines() {
        let fields = ControlFields::parse(TEXT).expect("the text is good");
        assert_eq!(fields.to_string(), TEXT);
        assert_eq!(fields.get("depends"), Some("a,\n b"));
    }

    #[test]
    fn edits_in_place_and_adds_before_the_description() {
        let edit = ControlEdit::new()
            .set("package", "y")
            .and_then(|edit| edit.set("Provides", "z (= 1)"))
            .and_then(|edit| edit.remove("Depends"))
            .expect("the fields are good");
        let mut fields = ControlFields::parse(TEXT).expect("the text is good");
        fields.apply(&edit);
        assert_eq!(fields.to_string(), "Package: y\nProvides: z (= 1)\nDescription: short\n long\n .\n more\n");
    }

    #[test]
    fn rejects_what_would_break_the_file() {
        for (field, value) in [
            ("A B", "x"),
            ("", "x"),
            ("-A", "x"),
            ("A", ""),
            ("A", "x\nB: y"),
            ("A", "x\n\n y"),
            ("A", " x"),
            ("A", "x\r"),
        ] {
            assert!(ControlEdit::new().set(field, value).is_err(), "{field:?} {value:?}");
        }
        for text in [" a", "Package x", "A: 1\na: 2", "A: 1\n\nB: 2"] {
            assert!(ControlFields::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_round_trips(text in "([A-C][a-c]: ?[a-z ]{0,4}\n( [.a-z]{1,3}\n){0,2}){0,3}|.*") {
            if let Ok(fields) = ControlFields::parse(&text) {
                prop_assert_eq!(ControlFields::parse(&fields.to_string()), Ok(fields));
            }
        }
    }
}
