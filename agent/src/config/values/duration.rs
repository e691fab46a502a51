use std::{fmt, str::FromStr, time::Duration};

use super::serialize_text;
use crate::config::{field::quoted, problem::Explain};

/// A time to wait: 1 ms to 315,576,000,000 s (the most a protocol buffers `Duration` holds), in whole nanoseconds.
///
/// Accepts `30s`, `1.5s` (protocol buffers) and `1ms`, `1m30s`, `1h` (Go). Shown as protocol buffers do: `90s`, `0.001s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitTime(Duration);

impl WaitTime {
    const LEAST: Duration = Duration::from_millis(1);
    const MOST: Duration = Duration::from_hours(87_660_000);

    pub(crate) const fn from_secs(seconds: u64) -> Self {
        assert!(seconds > 0, "a wait is at least 1 ms");
        Self(Duration::from_secs(seconds))
    }

    /// The time.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for WaitTime {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let malformed = || DurationError::Malformed(text.to_owned());
        let range = || DurationError::Range(text.to_owned());
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let nanoseconds = if unsigned == "0" { 0 } else { nanoseconds(unsigned).ok_or_else(malformed)? };
        let most = Self::MOST.as_nanos();
        if negative || nanoseconds < Self::LEAST.as_nanos() || nanoseconds > most {
            return Err(range());
        }
        let seconds = u64::try_from(nanoseconds / NANOS).map_err(|_| range())?;
        let rest = u32::try_from(nanoseconds % NANOS).map_err(|_| range())?;
        Ok(Self(Duration::new(seconds, rest)))
    }
}

const NANOS: u128 = 1_000_000_000;

/// The sum of `<decimal><unit>` parts; saturates, `None` when malformed.
fn nanoseconds(text: &str) -> Option<u128> {
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut total = 0u128;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end =
            tail.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS,
            "m" => 60 * NANOS,
            "h" => 3_600 * NANOS,
            _ => return None,
        };
        total = total.saturating_add(scaled(number, scale)?);
        rest = tail;
    }
    Some(total)
}

/// `number * scale`, digits beyond a nanosecond cut off, as Go does.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u128>().unwrap_or(u128::MAX) };
    // Every unit times 10^18 fits into 128 bits, so 18 digits of the fraction are exact.
    let kept = &fraction[..fraction.len().min(18)];
    let power = 10u128.pow(u32::try_from(kept.len()).ok()?);
    let part = if kept.is_empty() { 0 } else { kept.parse::<u128>().ok()? };
    Some(whole.saturating_mul(scale).saturating_add(part * scale / power))
}

impl fmt::Display for WaitTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if nanos == 0 {
            return write!(f, "{seconds}s");
        }
        let fraction = format!("{nanos:09}");
        write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'))
    }
}

serialize_text!(WaitTime);

/// Text that is no [`WaitTime`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("{} is not a duration", quoted(.0))]
    Malformed(String),
    /// A duration that no wait may have.
    #[error("{} is out of range: a wait is at least 1ms", quoted(.0))]
    Range(String),
}

impl Explain for DurationError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Malformed(text) if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() => {
                format!("add the unit: `{text}s`")
            }
            Self::Malformed(_) => {
                "write a number and a unit (ns, us, ms, s, m, h), such as `30s` or `1m30s`".to_owned()
            }
            Self::Range(_) => "write a duration such as `30s`".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::WaitTime;
    use crate::config::problem::Explain;

    #[test]
    fn accepts_both_styles() {
        for (text, shown) in [
            ("30s", "30s"),
            ("1.5s", "1.5s"),
            ("1ms", "0.001s"),
            ("1m30s", "90s"),
            ("1h", "3600s"),
            ("1.5h", "5400s"),
            (".5s", "0.5s"),
            ("5.s", "5s"),
            ("+2s", "2s"),
            ("1000us", "0.001s"),
            ("1000\u{b5}s", "0.001s"),
            ("1000000ns", "0.001s"),
            ("1.0000000009s", "1s"),
            ("0.00000000000000000000000001s1s", "1s"),
            ("315576000000s", "315576000000s"),
        ] {
            assert_eq!(text.parse::<WaitTime>().map(|wait| wait.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_no_duration_and_what_is_too_short() {
        let huge = format!("{}h", "9".repeat(60));
        for (text, hint) in [
            ("", "a number and a unit"),
            ("30", "`30s`"),
            ("s", "a number and a unit"),
            (".s", "a number and a unit"),
            ("1.2.3s", "a number and a unit"),
            ("30 s", "a number and a unit"),
            ("30S", "a number and a unit"),
            ("1d", "a number and a unit"),
            ("1m30", "a number and a unit"),
            ("--1s", "a number and a unit"),
            ("0", "`30s`"),
            ("0s", "`30s`"),
            ("-1s", "`30s`"),
            ("0.9ms", "`30s`"),
            ("999999ns", "`30s`"),
            ("315576000000.1s", "`30s`"),
            (&huge, "`30s`"),
        ] {
            let error = text.parse::<WaitTime>().expect_err(text);
            assert!(error.hint().is_some_and(|found| found.contains(hint)), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn display_round_trips(text in "[0-9]{0,12}[.]?[0-9]{0,12}(ns|us|ms|s|m|h)([0-9]{1,3}(ms|s))?") {
            if let Ok(wait) = text.parse::<WaitTime>() {
                prop_assert_eq!(wait.to_string().parse::<WaitTime>(), Ok(wait));
            }
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<WaitTime>();
        }
    }
}
