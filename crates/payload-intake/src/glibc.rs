use std::{fmt, str::FromStr};

use crate::serde_text::serde_text;

/// A version of the GNU C library, such as `2.28` or `2.2.5`: numbers without leading zeros, no third part of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlibcVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

impl GlibcVersion {
    /// The version `major.minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor, patch: 0 }
    }
}

impl fmt::Display for GlibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch != 0 {
            write!(f, ".{}", self.patch)?;
        }
        Ok(())
    }
}

/// Text that is no [`GlibcVersion`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid glibc version `{}`: expected two or three numbers, such as 2.28 or 2.2.5", .0.escape_debug())]
pub struct GlibcVersionError(String);

impl FromStr for GlibcVersion {
    type Err = GlibcVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| GlibcVersionError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<GlibcVersion> {
    let number = |part: &str| -> Option<u16> {
        let canonical = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
        canonical.then(|| part.parse().ok())?
    };
    let (major, rest) = text.split_once('.')?;
    let (minor, patch) = match rest.split_once('.') {
        Some((minor, patch)) => (minor, number(patch).filter(|&patch| patch != 0)?),
        None => (rest, 0),
    };
    Some(GlibcVersion { major: number(major)?, minor: number(minor)?, patch })
}

serde_text!(GlibcVersion);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn orders_by_number_not_by_text() {
        let version = |text: &str| text.parse::<GlibcVersion>().expect(text);
        let ascending = ["2.2.5", "2.3", "2.3.4", "2.9", "2.17", "2.28", "2.30", "3.0"].map(version);
        assert!(ascending.is_sorted());
        assert_eq!(version("2.17"), GlibcVersion::new(2, 17));
    }

    #[test]
    fn rejects_a_second_spelling_of_the_same_version() {
        for text in ["", "2", "2.", ".2", "2.02", "2.3.0", "+2.3", "2.+3", "2.3.4.5", "2.99999", "PRIVATE", "2.3 "] {
            assert!(text.parse::<GlibcVersion>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(major: u16, minor: u16, patch: u16) {
            let version = GlibcVersion { major, minor, patch };
            prop_assert_eq!(version.to_string().parse::<GlibcVersion>(), Ok(version));
            let json = serde_json::to_string(&version).expect("text");
            prop_assert_eq!(serde_json::from_str::<GlibcVersion>(&json).expect("own output"), version);
        }
    }
}
