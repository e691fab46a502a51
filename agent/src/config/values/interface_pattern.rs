use std::{fmt, str::FromStr};

use regex::bytes::{Regex, RegexBuilder};

use super::serialize_text;
use crate::config::{field::quoted, problem::Explain};

/// A regular expression for names of network interfaces, RE2 syntax, matching anywhere in the name.
///
/// Works on bytes, so that `\d`, `\w` and `(?i)` mean ASCII, as in RE2.
#[derive(Debug, Clone)]
pub struct InterfacePattern(Regex);

impl InterfacePattern {
    // Bounds what one pattern of a file can make the agent allocate; `^(eth|ens)[0-9]*$` takes a few KiB.
    const MOST_BYTES: usize = 1 << 20;

    /// Whether any part of `interface` matches.
    #[must_use]
    pub fn matches(&self, interface: &str) -> bool {
        self.0.is_match(interface.as_bytes())
    }
}

impl PartialEq for InterfacePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for InterfacePattern {}

impl FromStr for InterfacePattern {
    type Err = InterfacePatternError;

    fn from_str(text: &str) -> Result<Self, InterfacePatternError> {
        let regex = RegexBuilder::new(text).unicode(false).size_limit(Self::MOST_BYTES).build();
        regex.map(Self).map_err(|error| InterfacePatternError {
            pattern: text.to_owned(),
            reason: match error {
                // The reason is the last line, below a drawing of the pattern.
                regex::Error::Syntax(report) => {
                    let line = report.lines().last().unwrap_or_default().trim();
                    line.strip_prefix("error: ").unwrap_or(line).to_owned()
                }
                regex::Error::CompiledTooBig(_) => "it is too big".to_owned(),
                other => other.to_string(),
            },
        })
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

serialize_text!(InterfacePattern);

/// Text that is no [`InterfacePattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a regular expression: {reason}", quoted(pattern))]
pub struct InterfacePatternError {
    pattern: String,
    reason: String,
}

impl Explain for InterfacePatternError {
    fn hint(&self) -> Option<String> {
        Some(if self.pattern.starts_with('*') {
            format!("`*` alone is no wildcard here: write `.{}`", crate::config::problem::printable(&self.pattern))
        } else {
            "RE2 syntax: a plain name such as `eth0` matches anywhere, `^eth[0-9]+$` the whole name".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::InterfacePattern;

    #[test]
    fn matches_anywhere_unless_anchored() {
        for (pattern, interface, expected) in [
            ("enp0s8", "enp0s8", true),
            ("enp0s8", "xenp0s81", true),
            ("^(eth|ens|enp|eno|en)[0-9a-z]*$", "ens5", true),
            ("^(eth|ens|enp|eno|en)[0-9a-z]*$", "docker0", false),
            ("^eth[0-9]*$", "veth0", false),
            (r"^eth\d$", "eth1", true),
            (r"^eth\d$", "eth\u{0661}", false),
            ("(?i)^ETH", "eth0", true),
            ("", "lo", true),
        ] {
            let compiled: InterfacePattern = pattern.parse().expect(pattern);
            assert_eq!(compiled.matches(interface), expected, "{pattern} on {interface}");
        }
    }

    #[test]
    fn names_the_reason_of_a_bad_pattern_on_one_line() {
        for (pattern, reason) in [
            ("eth[", "unclosed character class"),
            ("*eth", "repetition operator missing expression"),
            ("(?=eth)", "look-around"),
            (r"\w{1000}{1000}", "too big"),
        ] {
            let error = pattern.parse::<InterfacePattern>().expect_err(pattern).to_string();
            assert!(error.contains(reason) && !error.contains('\n'), "{error}");
        }
    }
}
