use std::{fmt, str::FromStr};

use crate::serde_text::serde_text;

/// The name of an Istio revision: `^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$`, 1 to 56 characters.
///
/// Istio's services are called `istiod-<revision>` and a service name has at most 63 characters, hence 56.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(String);

impl Revision {
    /// The most characters a revision may have.
    pub const MAX_LEN: usize = 56;

    /// The revision that the unrevisioned install URIs serve.
    #[must_use]
    pub fn default_revision() -> Self {
        Self("default".to_owned())
    }

    /// Checks `name` against the rule above.
    pub fn new(name: &str) -> Result<Self, RevisionError> {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        let valid = bytes.len() <= Self::MAX_LEN
            && bytes.first().copied().is_some_and(alphanumeric)
            && bytes.last().copied().is_some_and(alphanumeric)
            && bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-');
        if valid { Ok(Self(name.to_owned())) } else { Err(RevisionError(name.to_owned())) }
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the unrevisioned install URIs serve this revision.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0 == "default"
    }

    /// The name as a part of an RPM `Release`, which must not hold `-`. No two revisions share it.
    #[must_use]
    pub fn rpm_release_suffix(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that is not a [`Revision`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid revision name `{0}`: 1 to 56 characters of a-z, 0-9 and `-`, beginning and ending with a letter or digit"
)]
pub struct RevisionError(String);

impl FromStr for Revision {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

serde_text!(Revision);

#[cfg(test)]
mod tests {
    use super::Revision;

    #[test]
    fn accepts_names_that_istio_can_run() {
        for name in ["default", "canary", "1-29", "a", "0", &"a".repeat(56)] {
            assert_eq!(Revision::new(name).expect(name).to_string(), name);
        }
    }

    #[test]
    fn rejects_names_that_break_service_names_or_paths() {
        let long = "a".repeat(57);
        for name in ["", "-a", "a-", "A", "1.29", "a_b", "a/b", "..", "a b", "é", "a\n", &long] {
            let error = Revision::new(name).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
