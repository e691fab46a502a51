use super::{
    header::{Header, Value},
    tags,
};

/// A descriptive field of an RPM. Those that make its identity are the base package's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderField {
    /// One line about the package.
    Summary,
    /// The long text.
    Description,
    /// Who distributes it.
    Vendor,
    /// Who packaged it.
    Packager,
    /// The home page.
    Url,
    /// The package group, which old readers want.
    Group,
    /// The file name of the source package.
    SourceRpm,
}

impl HeaderField {
    fn tag(self) -> u32 {
        match self {
            Self::Summary => tags::SUMMARY,
            Self::Description => tags::DESCRIPTION,
            Self::Vendor => tags::VENDOR,
            Self::Packager => tags::PACKAGER,
            Self::Url => tags::URL,
            Self::Group => tags::GROUP,
            Self::SourceRpm => tags::SOURCE_RPM,
        }
    }

    fn value(self, text: &str) -> Value {
        match self {
            // One string for the one locale, C, of the header's locale table.
            Self::Summary | Self::Description | Self::Group => Value::I18n(vec![text.to_owned()]),
            _ => Value::Text(text.to_owned()),
        }
    }
}

/// Text that a header cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid value `{}` of the RPM header field {field:?}: it is empty or has control characters", value.escape_debug())]
pub struct HeaderEditError {
    field: HeaderField,
    value: String,
}

/// Changes to the descriptive fields of an RPM, made in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdit(Vec<(HeaderField, Option<String>)>);

impl HeaderEdit {
    /// No change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `field`; only a description may have several lines.
    pub fn set(mut self, field: HeaderField, value: &str) -> Result<Self, HeaderEditError> {
        let bad = |c: char| c.is_control() && !(c == '\n' && field == HeaderField::Description);
        if value.is_empty() || value.contains(bad) {
            return Err(HeaderEditError { field, value: value.to_owned() });
        }
        self.0.push((field, Some(value.to_owned())));
        Ok(self)
    }

    /// Removes `field` if it is there.
    #[must_use]
    pub fn remove(mut self, field: HeaderField) -> Self {
        self.0.push((field, None));
        self
    }

    pub(crate) fn apply(&self, header: &mut Header) {
        for (field, value) in &self.0 {
            match value {
                Some(text) => header.set(field.tag(), field.value(text)),
                None => header.remove(field.tag()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptions_have_lines_and_nothing_has_a_nul() {
        let edit = HeaderEdit::new();
        assert!(edit.clone().set(HeaderField::Description, "a\nb").is_ok());
        for (field, value) in [(HeaderField::Vendor, "a\nb"), (HeaderField::Url, ""), (HeaderField::Description, "a\0")]
        {
            assert!(edit.clone().set(field, value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn later_changes_win() {
        let edit = HeaderEdit::new()
            .set(HeaderField::Vendor, "a")
            .and_then(|edit| edit.remove(HeaderField::Vendor).set(HeaderField::Summary, "b"))
            .expect("the values are good");
        let mut header = Header::default();
        edit.apply(&mut header);
        assert_eq!(header.text(tags::VENDOR), None);
        assert_eq!(header.get(tags::SUMMARY), Some(&Value::I18n(vec!["b".to_owned()])));
    }
}
