use std::{fmt, str::FromStr};

use crate::serde_text::serde_text;

/// The version of Istio or Envoy as its project writes it, a semantic version such as `1.31.0-rc.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpstreamVersion(semver::Version);

impl UpstreamVersion {
    /// The form for dpkg and rpm: `~` before a pre-release, so that it sorts below its release in both, and `.` for the
    /// hyphens that neither allows in a version.
    #[must_use]
    pub fn package(&self) -> String {
        let semver::Version { major, minor, patch, pre, build } = &self.0;
        let mut text = format!("{major}.{minor}.{patch}");
        for (mark, part) in [('~', pre.as_str()), ('+', build.as_str())] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(&part.replace('-', "."));
            }
        }
        text
    }

    /// `major.minor`, which pairs Istio's releases with Envoy's.
    #[must_use]
    pub fn minor(&self) -> (u64, u64) {
        (self.0.major, self.0.minor)
    }
}

impl fmt::Display for UpstreamVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Text that is no [`UpstreamVersion`].
#[derive(Debug, thiserror::Error)]
#[error("invalid version `{text}`: expected a semantic version such as 1.30.3 or 1.31.0-rc.0")]
pub struct UpstreamVersionError {
    text: String,
    source: semver::Error,
}

impl FromStr for UpstreamVersion {
    type Err = UpstreamVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(version) => Ok(Self(version)),
            Err(source) => Err(UpstreamVersionError { text: text.to_owned(), source }),
        }
    }
}

serde_text!(UpstreamVersion);

#[cfg(test)]
mod tests {
    use super::UpstreamVersion;

    #[test]
    fn marks_pre_releases_with_a_tilde() {
        for (text, package) in [
            ("1.30.3", "1.30.3"),
            ("1.31.0-rc.0", "1.31.0~rc.0"),
            ("1.24.3-tetrate-3+fips-1", "1.24.3~tetrate.3+fips.1"),
        ] {
            let version: UpstreamVersion = text.parse().expect(text);
            assert_eq!(version.to_string(), text);
            assert_eq!(version.package(), package);
        }
    }
}
