use std::{fmt, str::FromStr};

use super::serialize_text;
use crate::config::{field::quoted, problem::Explain};

/// Lower-case letters, digits and inner `-`, of any length.
fn is_dns_part(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
}

/// RFC 1123 label as Kubernetes has it.
fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_part(text)
}

/// RFC 1123 subdomain as Kubernetes has it: it bounds the whole name, not its parts.
fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_part)
}

/// 1 to 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit.
fn is_label_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A Kubernetes namespace: an RFC 1123 label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

/// The name of a `WorkloadGroup`: an RFC 1123 subdomain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName(String);

/// The key of a Kubernetes label: `[<RFC 1123 subdomain>/]<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelKey(String);

/// The value of a Kubernetes label; may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelValue(String);

impl FromStr for Namespace {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_dns_label(text) { Ok(Self(text.to_owned())) } else { Err(NameError::Namespace(text.to_owned())) }
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_dns_subdomain(text) { Ok(Self(text.to_owned())) } else { Err(NameError::Group(text.to_owned())) }
    }
}

impl FromStr for LabelKey {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let good = match text.split_once('/') {
            Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_name(name),
            None => is_label_name(text),
        };
        if good { Ok(Self(text.to_owned())) } else { Err(LabelError::Key(text.to_owned())) }
    }
}

impl FromStr for LabelValue {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let good = text.is_empty() || is_label_name(text);
        if good { Ok(Self(text.to_owned())) } else { Err(LabelError::Value(text.to_owned())) }
    }
}

/// Text that Kubernetes takes for no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a [`Namespace`].
    #[error("{} is not a namespace: 1 to 63 of a-z, 0-9 and inner `-`", quoted(.0))]
    Namespace(String),
    /// Not a [`GroupName`].
    #[error("{} is not a name: 1 to 253 of a-z, 0-9, inner `-` and `.`", quoted(.0))]
    Group(String),
}

impl Explain for NameError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Namespace(text) | Self::Group(text) if text.contains('/') => {
                "the namespace and the name have a field each".to_owned()
            }
            _ => "`kubectl get workloadgroups --all-namespaces` shows both".to_owned(),
        })
    }
}

/// Text that cannot be part of a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Not a [`LabelKey`].
    #[error("{} is not a label key", quoted(.0))]
    Key(String),
    /// Not a [`LabelValue`].
    #[error("{} is not a label value", quoted(.0))]
    Value(String),
}

impl Explain for LabelError {
    fn hint(&self) -> Option<String> {
        let rule = "at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit";
        Some(match self {
            Self::Key(_) => format!("{rule}; a DNS name and `/` may stand before it"),
            Self::Value(_) => rule.to_owned(),
        })
    }
}

macro_rules! display {
    ($($type:ty),+) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

display!(Namespace, GroupName, LabelKey, LabelValue);
serialize_text!(Namespace, GroupName, LabelKey, LabelValue);

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::{GroupName, LabelKey, LabelValue, Namespace};

    fn check<T: FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(good: &[&str], bad: &[&str]) {
        for text in good {
            text.parse::<T>().expect(text);
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn namespaces_are_rfc_1123_labels() {
        let (most, long) = ("a".repeat(63), "a".repeat(64));
        check::<Namespace>(&["bookinfo", "0", "a-1", &most], &["", "a.b", "A", "-a", "a-", "a_b", "a/b", "a\n", &long]);
    }

    #[test]
    fn group_names_are_rfc_1123_subdomains() {
        let (most, long) = ("a".repeat(253), "a".repeat(254));
        check::<GroupName>(&["ratings", "a.b-c.d", &most], &["", "a..b", ".a", "a.", "a.-b", "Ratings", "a_b", &long]);
    }

    #[test]
    fn label_keys_may_have_a_prefix() {
        let (most, long) = ("a".repeat(63), "a".repeat(64));
        check::<LabelKey>(
            &["app", "app.kubernetes.io/name", "A_b.C-d", "0", &most],
            &["", "/name", "a/", "a/b/c", "Example.com/a", "_a", "a b", "é", &long],
        );
    }

    #[test]
    fn label_values_may_be_empty() {
        let (most, long) = ("a".repeat(63), "a".repeat(64));
        check::<LabelValue>(&["", "v1", "1.10", "A_b", &most], &[" ", "-a", "a.", "a/b", "a b", "a\n", &long]);
    }
}
