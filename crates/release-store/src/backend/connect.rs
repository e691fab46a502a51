use std::{io, path::PathBuf, sync::Arc, time::Duration};

use object_store::{
    ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    local::LocalFileSystem,
    memory::InMemory,
    path::Path,
    signer::Signer,
};

use super::{Backend, BackendError, LocalDir, client::Connector};
use crate::{
    Endpoint, StoreOptions, StoreUrl,
    url::{Cloud, Place},
};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A local store must be there.
    Read,
    /// A local store that is not there is made.
    Write,
}

/// A store cannot be used, found out before anything was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The folder of a local store.
    #[error("cannot open the store {}", dir.display())]
    Folder {
        /// As asked for.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Credentials, region, endpoint or a setting.
    #[error("cannot set up access to {url}")]
    Settings {
        /// As asked for.
        url: StoreUrl,
        /// Why.
        source: BackendError,
    },
    /// Only servers have addresses.
    #[error("{url} has no endpoint")]
    NoEndpoint {
        /// As asked for.
        url: StoreUrl,
    },
}

impl ConnectError {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("publish to it first: cargo xtask publish --store URL".to_owned())
            }
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("check who owns the path".to_owned())
            }
            Self::Settings { url: StoreUrl { place: Place::Cloud { cloud, .. } }, .. } => {
                Some(format!("set {}", cloud.credentials()))
            }
            Self::NoEndpoint { .. } => Some("leave out --endpoint".to_owned()),
            Self::Folder { .. } | Self::Settings { .. } => None,
        }
    }
}

/// What a client is and, where it can, signs with.
type Client = (Arc<dyn ObjectStore>, Option<Arc<dyn Signer>>);

impl Backend {
    pub(crate) fn connect(url: &StoreUrl, options: &StoreOptions, access: Access) -> Result<Self, ConnectError> {
        let of_server = matches!(url.place, Place::Cloud { .. });
        if !of_server && (options.endpoint.is_some() || options.public_endpoint.is_some()) {
            return Err(ConnectError::NoEndpoint { url: url.clone() });
        }
        let mut backend = Self {
            store: Arc::new(InMemory::new()),
            signer: None,
            local: None,
            url: url.clone(),
            prefix: Path::default(),
            patience: options.patience,
        };
        match &url.place {
            Place::Memory => {}
            Place::Local(dir) => {
                let failed = |source| ConnectError::Folder { dir: dir.clone(), source };
                if access == Access::Write {
                    std::fs::create_dir_all(dir).map_err(failed)?;
                }
                let local = LocalDir::open(dir).map_err(failed)?;
                let store = LocalFileSystem::new_with_prefix(local.path()).map_err(|error| failed(error.into()))?;
                backend.store = Arc::new(store.with_fsync(true));
                backend.local = Some(local);
            }
            Place::Cloud { cloud, bucket, prefix } => {
                let failed =
                    |error: object_store::Error| ConnectError::Settings { url: url.clone(), source: error.into() };
                let client = |endpoint| client(*cloud, bucket, options, endpoint).map_err(failed);
                (backend.store, backend.signer) = client(options.endpoint.as_ref())?;
                if let Some(public) = &options.public_endpoint {
                    backend.signer = client(Some(public))?.1;
                }
                backend.prefix = Path::parse(prefix).map_err(|error| failed(error.into()))?;
            }
        }
        Ok(backend)
    }
}

/// Each request has its own deadline in `Backend`, by its size; this one is for what escapes it.
const LONGEST_REQUEST: Duration = Duration::from_hours(6);

/// The three builders have the same methods and no common trait.
macro_rules! client {
    ($builder:expr, $key:ident, $options:expr, $plain:expr) => {{
        let mut builder = $builder
            .with_http_connector(Connector)
            // Half of it, so that a store's own error is reported and not that time is up.
            .with_retry(RetryConfig { retry_timeout: $options.patience / 2, ..RetryConfig::default() })
            .with_config($key::Client(ClientConfigKey::Timeout), seconds(LONGEST_REQUEST))
            .with_config($key::Client(ClientConfigKey::ConnectTimeout), seconds($options.patience / 4));
        if $plain {
            builder = builder.with_config($key::Client(ClientConfigKey::AllowHttp), "true");
        }
        for (key, value) in &$options.settings {
            builder = builder.with_config(key.parse()?, value);
        }
        let client = Arc::new(builder.build()?);
        Ok((client.clone(), Some(client)))
    }};
}

fn client(
    cloud: Cloud,
    bucket: &str,
    options: &StoreOptions,
    endpoint: Option<&Endpoint>,
) -> object_store::Result<Client> {
    // Only an endpoint that was named may be without a certificate.
    let plain = endpoint.is_some_and(Endpoint::is_plain);
    let endpoint = endpoint.map(ToString::to_string);
    match cloud {
        Cloud::S3 => {
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            client!(builder, AmazonS3ConfigKey, options, plain)
        }
        Cloud::Google => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
            if let Some(endpoint) = endpoint {
                builder = builder.with_base_url(&endpoint);
            }
            client!(builder, GoogleConfigKey, options, plain)
        }
        Cloud::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            client!(builder, AzureConfigKey, options, plain)
        }
    }
}

/// As the clients read it; they know whole seconds only.
fn seconds(time: Duration) -> String {
    format!("{} seconds", time.as_secs().max(1))
}
