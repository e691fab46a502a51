use std::{fmt, str::FromStr};

use crate::serde_text::serde_text;

/// A machine architecture that packages are made for. Its text form is Debian's name, which the install URIs use for
/// RPMs too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// Every architecture, in the order of all listings.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Debian's name: the `Architecture` field and the install URIs.
    #[must_use]
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// RPM's name, in the header's `ARCH` tag.
    #[must_use]
    pub const fn rpm(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The Rust target triple that our own programs are built for.
    #[must_use]
    pub const fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.debian())
    }
}

/// Text that names no [`Arch`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture `{0}`: expected `amd64` or `arm64`")]
pub struct ArchError(String);

impl FromStr for Arch {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|arch| arch.debian() == text).ok_or_else(|| ArchError(text.to_owned()))
    }
}

serde_text!(Arch);
