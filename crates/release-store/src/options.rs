use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use url::Url;

/// How a store is reached, beyond its URL. Credentials and region come from the variables that each cloud's own tools read.
#[derive(Clone)]
pub struct StoreOptions {
    /// Where the bucket's server is, for Garage, Ceph and others.
    pub endpoint: Option<Endpoint>,
    /// Where VMs reach that server, if it is elsewhere for them. Signed URLs name it.
    pub public_endpoint: Option<Endpoint>,
    /// Settings of the store's client by its own names, such as `aws_region`. They win over the environment.
    pub settings: BTreeMap<String, String>,
    /// How long one small request may take, with all its repetitions. Large ones get more, by their size.
    pub patience: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            public_endpoint: None,
            settings: BTreeMap::new(),
            // A server that restarts is back within it.
            patience: Duration::from_mins(1),
        }
    }
}

/// Settings hold secrets, so only their names are shown.
impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("endpoint", &self.endpoint)
            .field("public_endpoint", &self.public_endpoint)
            .field("settings", &self.settings.keys())
            .field("patience", &self.patience)
            .finish()
    }
}

/// The address of a store's server: `https://host:port`, or `http://` for one that has no certificate. For Azure, a path
/// with the account's name may follow, as Azurite wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Text that is no [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid endpoint: expected https://host:port or http://host:port, without user, query or fragment")]
pub struct EndpointError;

impl Endpoint {
    /// What programs say about an argument of this type.
    pub const HELP: &str = "The store's server, if it is not the cloud's own: Garage, MinIO, Ceph; http:// is allowed";

    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| EndpointError)?;
        let good = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        good.then_some(Self(url)).ok_or(EndpointError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address_and_nothing_else() {
        for text in ["http://127.0.0.1:9000", "https://s3.example", "http://127.0.0.1:10000/devstoreaccount1"] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), text);
        }
        for text in ["", "127.0.0.1:9000", "ftp://x", "https://user@x", "https://x?y", "https://x#y", "https://"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_no_secret() {
        let settings = BTreeMap::from([("aws_secret_access_key".to_owned(), "hunter2".to_owned())]);
        let options = StoreOptions { settings, ..StoreOptions::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
