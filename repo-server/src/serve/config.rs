//! What a server was told, once it is known to make sense.

use std::{
    io,
    net::SocketAddr,
    num::{NonZeroU16, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use release_store::{Endpoint, StoreUrl};

use super::{access_log::LogFormat, client::Proxies, connection::Limits, tls::KeyPairFiles};

/// Settings that a server can be started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where releases come from.
    pub(crate) origin: Origin,
    /// Where VMs connect.
    pub(crate) listen: SocketAddr,
    /// With TLS if there is a pair.
    pub(crate) tls: Option<KeyPairFiles>,
    /// Where everybody is sent to TLS.
    pub(crate) redirect_listen: Option<SocketAddr>,
    /// The port of TLS as clients see it, if it is not ours.
    pub(crate) public_port: Option<NonZeroU16>,
    /// Health and metrics.
    pub(crate) ops_listen: Option<SocketAddr>,
    /// Threads that serve.
    pub(crate) threads: NonZeroUsize,
    /// For blobs, in bytes.
    pub(crate) memory: u64,
    /// At once.
    pub(crate) max_connections: usize,
    /// At once, of one address.
    pub(crate) max_connections_per_address: usize,
    /// Of each connection.
    pub(crate) limits: Limits,
    /// See [`super::sticky`].
    pub(crate) pair_window: Duration,
    /// From the signal to the end.
    pub(crate) shutdown_deadline: Duration,
    /// Whose word counts.
    pub(crate) proxies: Proxies,
    /// On stdout.
    pub(crate) access_log: LogFormat,
    /// On stderr.
    pub(crate) log: LogFormat,
}

/// Where releases come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A dist tree.
    Dir(PathBuf),
    /// A release store.
    Store(Box<StoreOrigin>),
}

/// A release store and how its packages come to VMs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreOrigin {
    /// Which.
    pub(crate) url: StoreUrl,
    /// Its server, if it is not the cloud's own.
    pub(crate) endpoint: Option<Endpoint>,
    /// Whether VMs are sent to it.
    pub(crate) redirect: Option<Redirect>,
    /// Where its packages are kept.
    pub(crate) cache: Option<CacheSettings>,
}

/// VMs get packages from the store itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// How long a URL can be used.
    pub(crate) valid: Duration,
    /// The store's server as VMs reach it, if that differs.
    pub(crate) public_endpoint: Option<Endpoint>,
}

/// A folder for packages of a remote store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheSettings {
    /// Which.
    pub(crate) dir: PathBuf,
    /// The most that it holds, in bytes.
    pub(crate) size: u64,
}

/// Settings that no server can be started with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{}: {}", path.display(), source.to_string().trim_end())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// Nothing to serve.
    #[error("nothing says what to serve")]
    NoOrigin,
    /// One too many.
    #[error("both `store` and `dir` say what to serve")]
    TwoOrigins,
    /// One of a pair.
    #[error("{given} is set and {missing} is not")]
    HalfPair {
        /// The flag that is there.
        given: &'static str,
        /// The flag that is not.
        missing: &'static str,
    },
    /// A setting that means something only beside another.
    #[error("{given} means nothing without {missing}")]
    Alone {
        /// The flag that is there.
        given: &'static str,
        /// The flag that is not.
        missing: &'static str,
    },
    /// A time that no store would sign for, or nobody could use.
    #[error("--redirect-valid {seconds} is not between 60 and 604800 seconds")]
    RedirectValid {
        /// As given.
        seconds: u32,
    },
    /// The store is this machine's own.
    #[error("{given} is for stores that are reached over the network")]
    LocalStore {
        /// The flag that is there.
        given: &'static str,
    },
    /// A redirect without an aim.
    #[error("--redirect-listen leads to TLS, and there is none")]
    NoTls,
}

impl SettingsError {
    /// The next step.
    #[must_use]
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "check --config",
            Self::Syntax { .. } => {
                "the file has the flags of `repo-server serve --help` as keys, without dashes in front"
            }
            Self::NoOrigin => "name a release store with --store, or a dist tree with --dir",
            Self::TwoOrigins => "leave one of them out; SLIPWAY_STORE and SLIPWAY_DIR count as well",
            Self::Alone { .. } => "set both or neither",
            Self::RedirectValid { .. } => "an hour, 3600, is enough for slow links",
            Self::LocalStore { .. } => "leave it out, or name a store at s3://, gs:// or az://",
            Self::HalfPair { .. } | Self::NoTls => "set both --tls-cert and --tls-key, or neither",
        }
        .to_owned()
    }
}
