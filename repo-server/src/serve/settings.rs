//! What a server is told: flags before environment before file.

use std::{
    fmt::Display,
    fs, io,
    net::{Ipv6Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::Args;
use release_store::{Endpoint, StoreUrl};
use serde::Deserialize;

use super::{
    access_log::LogFormat,
    client::{Network, Proxies},
    connection::Limits,
    pace::Pace,
    tls::KeyPairFiles,
};

/// All settings, each of which may be left out. In the file they have the flags' names.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    #[arg(long, value_name = "URL", env = "SLIPWAY_STORE", help = StoreUrl::HELP)]
    #[serde(default, deserialize_with = "parsed")]
    store: Option<StoreUrl>,
    #[arg(long, value_name = "URL", env = "SLIPWAY_ENDPOINT", help = Endpoint::HELP)]
    #[serde(default, deserialize_with = "parsed")]
    endpoint: Option<Endpoint>,
    /// Serve a dist tree as it stands, such as target/dist
    #[arg(long, value_name = "DIR", env = "SLIPWAY_DIR")]
    dir: Option<PathBuf>,
    /// Where VMs connect [default: [::]:8080, or [::]:8443 with TLS]
    #[arg(long, value_name = "ADDR:PORT", env = "SLIPWAY_LISTEN")]
    listen: Option<SocketAddr>,
    /// Certificate in PEM, followed by its issuers
    #[arg(long, value_name = "FILE", env = "SLIPWAY_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Its key in PEM
    #[arg(long, value_name = "FILE", env = "SLIPWAY_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Where requests in the open are sent on to TLS
    #[arg(long, value_name = "ADDR:PORT", env = "SLIPWAY_REDIRECT_LISTEN")]
    redirect_listen: Option<SocketAddr>,
    /// Health and metrics
    #[arg(long, value_name = "ADDR:PORT", env = "SLIPWAY_OPS_LISTEN")]
    ops_listen: Option<SocketAddr>,
    /// Threads that serve [default: one for each core]
    #[arg(long, value_name = "N", env = "SLIPWAY_THREADS")]
    threads: Option<NonZeroUsize>,
    /// Memory for packages that nobody is reading, in MiB [default: 512]
    #[arg(long, value_name = "MIB", env = "SLIPWAY_MEMORY")]
    memory: Option<u64>,
    /// Connections at once [default: 20000]
    #[arg(long, value_name = "N", env = "SLIPWAY_MAX_CONNECTIONS")]
    max_connections: Option<NonZeroUsize>,
    /// Connections at once from one address that is no trusted proxy [default: 1024]
    #[arg(long, value_name = "N", env = "SLIPWAY_MAX_CONNECTIONS_PER_ADDRESS")]
    max_connections_per_address: Option<NonZeroUsize>,
    /// For a request's head, and for a connection between requests [default: 30]
    #[arg(long, value_name = "SECONDS", env = "SLIPWAY_HEAD_TIMEOUT")]
    head_timeout: Option<u32>,
    /// Bytes a second that a reader must take on average over ten minutes [default: 1024]
    #[arg(long, value_name = "BYTES", env = "SLIPWAY_MIN_RATE")]
    min_rate: Option<u64>,
    /// How long a package's checksum is answered from the release that its client got the package from [default: 120]
    #[arg(long, value_name = "SECONDS", env = "SLIPWAY_PAIR_WINDOW")]
    pair_window: Option<u32>,
    /// How long downloads may go on when the server is told to end [default: 30]
    #[arg(long, value_name = "SECONDS", env = "SLIPWAY_SHUTDOWN_DEADLINE")]
    shutdown_deadline: Option<u32>,
    /// Networks whose X-Forwarded-For and X-Forwarded-Proto are believed
    #[arg(long, value_name = "RANGE", env = "SLIPWAY_TRUSTED_PROXY", value_delimiter = ',')]
    #[serde(default, deserialize_with = "networks")]
    trusted_proxy: Option<Vec<Network>>,
    /// One line for each answer on stdout [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", env = "SLIPWAY_ACCESS_LOG")]
    access_log: Option<LogFormat>,
    /// What happens, on stderr [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", env = "SLIPWAY_LOG")]
    log: Option<LogFormat>,
}

/// A setting that is text in the file.
fn parsed<'de, D: serde::Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<Option<T>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

fn networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Network>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect::<Result<_, _>>().map(Some)
}

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
    Store {
        /// Which.
        url: StoreUrl,
        /// Its server, if it is not the cloud's own.
        endpoint: Option<Endpoint>,
    },
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
            Self::HalfPair { .. } | Self::NoTls => "set both --tls-cert and --tls-key, or neither",
        }
        .to_owned()
    }
}

impl Settings {
    /// Reads a file of settings.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| SettingsError::Syntax { path: path.to_owned(), source: source.into() })
    }

    /// These, and where they say nothing, `file`'s.
    #[must_use]
    pub(crate) fn over(self, file: Self) -> Self {
        let (has_dir, has_origin) = (self.dir.is_some(), self.dir.is_some() || self.store.is_some());
        Self {
            // A flag for one replaces the file's other.
            dir: self.dir.or(file.dir.filter(|_| self.store.is_none())),
            store: self.store.or(file.store.filter(|_| !has_dir)),
            // It belongs to the store beside it.
            endpoint: self.endpoint.or(file.endpoint.filter(|_| !has_origin)),
            listen: self.listen.or(file.listen),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            redirect_listen: self.redirect_listen.or(file.redirect_listen),
            ops_listen: self.ops_listen.or(file.ops_listen),
            threads: self.threads.or(file.threads),
            memory: self.memory.or(file.memory),
            max_connections: self.max_connections.or(file.max_connections),
            max_connections_per_address: self.max_connections_per_address.or(file.max_connections_per_address),
            head_timeout: self.head_timeout.or(file.head_timeout),
            min_rate: self.min_rate.or(file.min_rate),
            pair_window: self.pair_window.or(file.pair_window),
            shutdown_deadline: self.shutdown_deadline.or(file.shutdown_deadline),
            trusted_proxy: self.trusted_proxy.or(file.trusted_proxy),
            access_log: self.access_log.or(file.access_log),
            log: self.log.or(file.log),
        }
    }

    /// Fills in what was left out.
    pub(crate) fn resolve(self) -> Result<Config, SettingsError> {
        let origin = match (self.store, self.dir) {
            (Some(url), None) => Origin::Store { url, endpoint: self.endpoint },
            (None, Some(dir)) => Origin::Dir(dir),
            (None, None) => return Err(SettingsError::NoOrigin),
            (Some(_), Some(_)) => return Err(SettingsError::TwoOrigins),
        };
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(KeyPairFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(SettingsError::HalfPair { given: "--tls-cert", missing: "--tls-key" }),
            (None, Some(_)) => return Err(SettingsError::HalfPair { given: "--tls-key", missing: "--tls-cert" }),
        };
        if self.redirect_listen.is_some() && tls.is_none() {
            return Err(SettingsError::NoTls);
        }
        let port = if tls.is_some() { 8443 } else { 8080 };
        let seconds = |setting: Option<u32>, default| Duration::from_secs(setting.unwrap_or(default).into());
        // Progress is what the kernel takes, and for a slow reader it takes a megabyte or more at a time.
        let window = Duration::from_mins(10);
        Ok(Config {
            origin,
            listen: self.listen.unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, port).into()),
            tls,
            redirect_listen: self.redirect_listen,
            ops_listen: self.ops_listen,
            threads: self.threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
            memory: self.memory.unwrap_or(512).saturating_mul(1 << 20),
            max_connections: self.max_connections.map_or(20_000, NonZeroUsize::get),
            max_connections_per_address: self.max_connections_per_address.map_or(1024, NonZeroUsize::get),
            limits: Limits {
                head_timeout: seconds(self.head_timeout, 30),
                handshake_timeout: Duration::from_secs(10),
                head_bytes: 16 << 10,
                pace: Pace { bytes: self.min_rate.unwrap_or(1024).saturating_mul(window.as_secs()), window },
            },
            pair_window: seconds(self.pair_window, 120),
            shutdown_deadline: seconds(self.shutdown_deadline, 30),
            proxies: Proxies::new(self.trusted_proxy.unwrap_or_default()),
            access_log: self.access_log.unwrap_or(LogFormat::Text),
            log: self.log.unwrap_or(LogFormat::Text),
        })
    }
}
