use std::{fmt, str::FromStr};

use jiff::Timestamp;

use crate::serde_text::serde_text;

/// The moment a release carries: whole seconds since the Unix epoch, as in `SOURCE_DATE_EPOCH`.
///
/// RPM stores times in 32 bits without a sign, which bounds it. Its text form is RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseTime(u32);

impl ReleaseTime {
    /// From seconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn unix(self) -> u32 {
        self.0
    }

    /// `YYYYMMDDhhmmss` in UTC: the part of a package version that orders one dist after the other.
    #[must_use]
    pub fn version_part(self) -> String {
        self.timestamp().strftime("%Y%m%d%H%M%S").to_string()
    }

    /// The date as Debian changelogs and RFC 5322 write it.
    #[must_use]
    pub fn rfc5322(self) -> String {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0)).expect("32 bits of seconds are in jiff's range")
    }
}

impl fmt::Display for ReleaseTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

/// Text that is no [`ReleaseTime`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid time `{0}`: expected RFC 3339 in whole seconds, such as 2026-01-31T12:00:00Z")]
pub struct ReleaseTimeError(String);

impl FromStr for ReleaseTime {
    type Err = ReleaseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Timestamp>()
            .ok()
            .filter(|time| time.subsec_nanosecond() == 0)
            .and_then(|time| u32::try_from(time.as_second()).ok())
            .map(Self)
            .ok_or_else(|| ReleaseTimeError(text.to_owned()))
    }
}

serde_text!(ReleaseTime);

#[cfg(test)]
mod tests {
    use super::ReleaseTime;
    use proptest::prelude::*;

    #[test]
    fn writes_the_forms_that_versions_and_changelogs_need() {
        let time = ReleaseTime::from_unix(1_764_000_000);
        assert_eq!(time.to_string(), "2025-11-24T16:00:00Z");
        assert_eq!(time.version_part(), "20251124160000");
        assert_eq!(time.rfc5322(), "Mon, 24 Nov 2025 16:00:00 +0000");
    }

    proptest! {
        #[test]
        fn text_round_trips_and_versions_keep_the_order(a: u32, b: u32) {
            let (a, b) = (ReleaseTime::from_unix(a), ReleaseTime::from_unix(b));
            prop_assert_eq!(a.to_string().parse::<ReleaseTime>(), Ok(a));
            prop_assert_eq!(a.version_part().cmp(&b.version_part()), a.cmp(&b));
        }
    }
}
