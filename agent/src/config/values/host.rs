use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use super::serialize_text;
use crate::config::{
    field::quoted,
    problem::{Explain, printable},
};

/// A DNS name: at most 253 characters; labels of 1 to 63 letters, digits and inner `-`; the last one no number.
///
/// A final dot is accepted and kept out of the value, since certificates never hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsName(String);

impl DnsName {
    fn new(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let numeric_end = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        (name.len() <= 253 && name.split('.').all(label) && !numeric_end).then(|| Self(name.to_owned()))
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the onboarding endpoint is: a DNS name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Resolved by the system.
    Dns(DnsName),
    /// Used as it is.
    Ip(IpAddr),
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        DnsName::new(text).map(Self::Dns).ok_or_else(|| HostError(text.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(f),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// Text that is no [`Host`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is neither a DNS name nor an IP address", quoted(.0))]
pub struct HostError(String);

impl Explain for HostError {
    fn hint(&self) -> Option<String> {
        let text = &self.0;
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        Some(if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':']).next().unwrap_or(rest);
            format!("leave out the scheme and the path: `{}`", printable(host))
        } else if bracketed.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()) {
            "write an IPv6 address without brackets".to_owned()
        } else if let Some((host, port)) = text.rsplit_once(':')
            && host.parse::<Host>().is_ok()
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            format!("the port has a field of its own: `host: {host}`, `port: {port}`")
        } else if text.is_empty() {
            "name the onboarding endpoint, such as `onboarding.example.com`".to_owned()
        } else {
            "DNS names have labels of letters, digits and `-`, with dots between them".to_owned()
        })
    }
}

/// The name to send in TLS (SNI) and to check the server's certificate against: a DNS name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName(DnsName);

impl FromStr for ServerName {
    type Err = ServerNameError;

    fn from_str(text: &str) -> Result<Self, ServerNameError> {
        DnsName::new(text).map(Self).ok_or_else(|| ServerNameError(text.to_owned()))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is no [`ServerName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a DNS name", quoted(.0))]
pub struct ServerNameError(String);

impl Explain for ServerNameError {
    fn hint(&self) -> Option<String> {
        Some(if self.0.parse::<IpAddr>().is_ok() {
            "TLS sends names only, never addresses: use a name that the server's certificate holds".to_owned()
        } else {
            "use a name that the server's certificate holds, such as `onboarding.example.com`".to_owned()
        })
    }
}

serialize_text!(DnsName, Host, ServerName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Host, ServerName};
    use crate::config::problem::Explain;

    #[test]
    fn accepts_names_and_addresses() {
        for text in ["a", "onboarding.example.com", "1-2.internal", "EXAMPLE.com", "192.0.2.7", "2001:db8::1", "3com.x"]
        {
            assert_eq!(text.parse::<Host>().expect(text).to_string(), text);
        }
        assert_eq!("example.com.".parse::<Host>().expect("an absolute name").to_string(), "example.com");
    }

    #[test]
    fn rejects_what_is_no_host_and_says_what_to_write() {
        let long = format!("{}.com", "a".repeat(64));
        for (text, hint) in [
            ("", "name the onboarding endpoint"),
            ("https://onboarding.example.com/install", "`onboarding.example.com`"),
            ("onboarding.example.com:15443", "`host: onboarding.example.com`, `port: 15443`"),
            ("192.0.2.7:443", "`port: 443`"),
            ("[2001:db8::1]", "without brackets"),
            ("192.0.2.700", "DNS names"),
            ("a_b.example.com", "DNS names"),
            ("-a.example.com", "DNS names"),
            ("a..b", "DNS names"),
            ("*.example.com", "DNS names"),
            ("<dns name>", "DNS names"),
            (&long, "DNS names"),
        ] {
            let error = text.parse::<Host>().expect_err(text);
            assert!(error.hint().is_some_and(|found| found.contains(hint)), "{text}: {:?}", error.hint());
        }
    }

    #[test]
    fn server_name_is_never_an_address() {
        assert!("onboarding.example.com".parse::<ServerName>().is_ok());
        let error = "192.0.2.7".parse::<ServerName>().expect_err("an address");
        assert!(error.hint().is_some_and(|hint| hint.contains("never addresses")));
    }

    proptest! {
        #[test]
        fn display_round_trips(text in "[a-zA-Z0-9.:-]{0,40}") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.to_string().parse::<Host>(), Ok(host));
            }
        }

        #[test]
        fn hints_never_panic(text in any::<String>()) {
            if let Err(error) = text.parse::<Host>() {
                let _ = error.hint();
            }
        }
    }
}
