use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

/// Where a store is.
///
/// `file:///dir`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or `memory:` for tests. A URL with
/// user, password, port, query or fragment is refused: none of them means anything here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    pub(crate) place: Place,
}

/// The kinds of stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    /// Absolute.
    Local(PathBuf),
    /// A bucket, or a container on Azure, and a prefix without slashes around it.
    Cloud {
        cloud: Cloud,
        bucket: String,
        prefix: String,
    },
}

/// Who answers for a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    S3,
    Google,
    Azure,
}

impl Cloud {
    const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }

    /// What has to be in the environment.
    pub(crate) const fn credentials(self) -> &'static str {
        match self {
            Self::S3 => "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
            Self::Google => "GOOGLE_APPLICATION_CREDENTIALS",
            Self::Azure => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        }
    }
}

/// Text that is no [`StoreUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid store URL `{url}`: {rule}")]
pub struct StoreUrlError {
    url: String,
    rule: &'static str,
}

impl StoreUrl {
    /// Whether it is reached over the network.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self.place, Place::Cloud { .. })
    }

    /// What programs say about an argument of this type.
    pub const HELP: &str = "The store: file:///dir, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix";

    /// A local directory. `None` when the path is not absolute.
    #[must_use]
    pub fn local(dir: impl Into<PathBuf>) -> Option<Self> {
        let dir = dir.into();
        dir.is_absolute().then_some(Self { place: Place::Local(dir) })
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Memory => f.write_str("memory:"),
            Place::Local(dir) => match Url::from_file_path(dir) {
                Ok(url) => url.fmt(f),
                Err(()) => write!(f, "file://{}", dir.display()),
            },
            Place::Cloud { cloud, bucket, prefix } if prefix.is_empty() => write!(f, "{}://{bucket}", cloud.scheme()),
            Place::Cloud { cloud, bucket, prefix } => write!(f, "{}://{bucket}/{prefix}", cloud.scheme()),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        place(text).map(|place| Self { place }).map_err(|rule| StoreUrlError { url: shown(text), rule })
    }
}

/// An error must not print a password.
fn shown(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.password().is_some() => match url.set_password(Some("...")) {
            Ok(()) => url.to_string(),
            Err(()) => "...".to_owned(),
        },
        _ => text.to_owned(),
    }
}

fn place(text: &str) -> Result<Place, &'static str> {
    if text == "memory:" {
        return Ok(Place::Memory);
    }
    let expected = "expected file:///dir, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix";
    let url = Url::parse(text).map_err(|_| expected)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials come from the environment, not from the URL");
    }
    if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
        return Err("it has a port, a query or a fragment; an endpoint is an option of its own");
    }
    // The parser resolves `..`; what was typed must be what is meant.
    if text.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
        return Err("it has a `.` or `..`");
    }
    if url.scheme() == "file" {
        // `file://dir` would be the folder `/` of a machine called `dir`.
        return url
            .to_file_path()
            .ok()
            .filter(|_| text.starts_with("file:///"))
            .map(Place::Local)
            .ok_or("expected file:/// and an absolute path, three slashes in all");
    }
    let cloud = Cloud::ALL.into_iter().find(|cloud| cloud.scheme() == url.scheme()).ok_or(expected)?;
    let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no bucket")?;
    let prefix = url.path().trim_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    if !prefix.bytes().all(plain) || prefix.contains("//") {
        return Err("a prefix has letters, digits, `-`, `_`, `.` and `~`, in parts with one `/` between them");
    }
    Ok(Place::Cloud { cloud, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<StoreUrl>().expect_err(text).to_string()
    }

    #[test]
    fn round_trips() {
        for text in ["memory:", "file:///srv/store", "file:///a%20b", "s3://bucket", "gs://b/p/q", "az://container/p"] {
            assert_eq!(text.parse::<StoreUrl>().expect(text).to_string(), text);
        }
        assert_eq!("s3://bucket/a/".parse(), "s3://bucket/a".parse::<StoreUrl>());
        assert_eq!("file:///srv".parse().ok(), StoreUrl::local("/srv"));
        assert_eq!(StoreUrl::local("srv"), None);
    }

    #[test]
    fn refuses_what_it_could_misunderstand() {
        for text in [
            "",
            "/srv",
            "srv",
            "http://host/bucket",
            "file://srv/store",
            "file:srv",
            "s3://",
            "s3:bucket",
            "s3://b?x=1",
            "s3://b#x",
            "s3://b:9000/x",
            "s3://b/../c",
            "s3://b/a//c",
            "s3://b/a%2Fc",
            "file:///a/../b",
            "file:///a?b",
            "memory:x",
        ] {
            assert!(refused(text).contains("store URL"), "{text}");
        }
    }

    #[test]
    fn prints_no_password() {
        let error = refused("s3://user:hunter2@bucket/x");
        assert!(error.contains("credentials come from the environment") && !error.contains("hunter2"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_accepted_round_trips(text in "(s3|gs|az|file)://?/?[a-z0-9./%-]{0,20}") {
            if let Ok(url) = text.parse::<StoreUrl>() {
                prop_assert_eq!(url.to_string().parse::<StoreUrl>(), Ok(url));
            }
        }
    }
}
