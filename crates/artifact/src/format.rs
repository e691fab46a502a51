use std::{fmt, str::FromStr};

use crate::serde_text::serde_text;

/// A package format. Its text form is both the folder in the install URIs and the file extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageFormat {
    /// Debian's binary package, deb(5).
    Deb,
    /// RPM, format version 4.
    Rpm,
}

impl PackageFormat {
    /// Every format, in the order of all listings.
    pub const ALL: [Self; 2] = [Self::Deb, Self::Rpm];

    /// The file extension without its dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }
}

impl fmt::Display for PackageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// Text that names no [`PackageFormat`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown package format `{0}`: expected `deb` or `rpm`")]
pub struct FormatError(String);

impl FromStr for PackageFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.extension() == text).ok_or_else(|| FormatError(text.to_owned()))
    }
}

serde_text!(PackageFormat);
