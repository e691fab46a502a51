use std::{fmt, num::NonZeroU16};

use serde::Serialize;

use crate::config::problem::Explain;

/// A TCP port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Port(NonZeroU16);

impl Port {
    /// Where the onboarding endpoint listens for agents.
    pub const ONBOARDING: Self = Self(NonZeroU16::new(15443).expect("not zero"));

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<i128> for Port {
    type Error = PortError;

    fn try_from(number: i128) -> Result<Self, PortError> {
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.map(Self).ok_or(PortError(number))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that is no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 65535, found {0}")]
pub struct PortError(i128);

impl Explain for PortError {
    fn hint(&self) -> Option<String> {
        Some(format!("leave it out for the default, {}", Port::ONBOARDING))
    }
}

#[cfg(test)]
mod tests {
    use super::Port;

    #[test]
    fn accepts_1_to_65535_only() {
        for good in [1, 15443, 65535] {
            assert_eq!(i128::from(Port::try_from(good).expect("a port").get()), good);
        }
        for bad in [0, -1, 65536, i128::MAX, i128::MIN] {
            assert!(Port::try_from(bad).expect_err("no port").to_string().contains(&bad.to_string()));
        }
    }
}
