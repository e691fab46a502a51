//! What a server is told: flags before environment before file.

use std::{
    fmt::Display,
    fs,
    net::{Ipv6Addr, SocketAddr},
    num::{NonZeroU16, NonZeroUsize},
    ops::RangeInclusive,
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
    config::{CacheSettings, Config, Origin, Redirect, SettingsError, StoreOrigin},
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
    /// Send clients to the store for packages, by signed URLs
    #[arg(
        long,
        env = "SLIPWAY_REDIRECT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    redirect: Option<bool>,
    /// With --redirect: how long a signed URL can be used, 60 to 604800 [default: 3600]
    #[arg(long, value_name = "SECONDS", env = "SLIPWAY_REDIRECT_VALID")]
    redirect_valid: Option<u32>,
    /// With --redirect: the store's server as clients reach it, if that is not --endpoint
    #[arg(long, value_name = "URL", env = "SLIPWAY_PUBLIC_ENDPOINT")]
    #[serde(default, deserialize_with = "parsed")]
    public_endpoint: Option<Endpoint>,
    /// Keep packages of a remote store in this folder; all that is in it may be deleted at any time
    #[arg(long, value_name = "DIR", env = "SLIPWAY_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// What --cache-dir may take, in MiB [default: 4096]
    #[arg(long, value_name = "MIB", env = "SLIPWAY_CACHE_SIZE")]
    cache_size: Option<u64>,
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
    /// Answers in the open, and says where TLS is
    #[arg(long, value_name = "ADDR:PORT", env = "SLIPWAY_REDIRECT_LISTEN")]
    redirect_listen: Option<SocketAddr>,
    /// With --redirect-listen: the port where clients reach TLS [default: that of --listen]
    #[arg(long, value_name = "PORT", env = "SLIPWAY_PUBLIC_PORT")]
    public_port: Option<NonZeroU16>,
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
    /// How long a package's checksum is answered from the release that its client got the package from [default: 120, or with
    /// --redirect as long as a URL can be used]
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

/// AWS refuses to sign for longer than a week, and a minute is little for a slow link.
const REDIRECT_VALID: RangeInclusive<u32> = 60..=604_800;
const PAIR_WINDOW: Duration = Duration::from_mins(2);

/// A setting that is text in the file.
fn parsed<'de, D: serde::Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<Option<T>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

fn networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Network>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect::<Result<_, _>>().map(Some)
}

impl Settings {
    /// Reads a file of settings.
    pub(crate) fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| SettingsError::Syntax { path: path.to_owned(), source: source.into() })
    }

    /// Forgets what a variable says where a flag, as `is_flag` knows by its id, says what to serve instead.
    pub(crate) fn overrule(&mut self, is_flag: impl Fn(&str) -> bool) {
        match (is_flag("store"), is_flag("dir")) {
            (true, false) => self.dir = None,
            (false, true) => {
                self.store = None;
                self.endpoint = self.endpoint.take().filter(|_| is_flag("endpoint"));
                self.public_endpoint = self.public_endpoint.take().filter(|_| is_flag("public_endpoint"));
                self.redirect = self.redirect.filter(|_| is_flag("redirect"));
                self.redirect_valid = self.redirect_valid.filter(|_| is_flag("redirect_valid"));
                self.cache_dir = self.cache_dir.take().filter(|_| is_flag("cache_dir"));
                self.cache_size = self.cache_size.filter(|_| is_flag("cache_size"));
            }
            _ => {}
        }
    }

    /// These, and where they say nothing, `file`'s.
    #[must_use]
    pub(crate) fn over(self, file: Self) -> Self {
        let (has_dir, has_origin) = (self.dir.is_some(), self.dir.is_some() || self.store.is_some());
        // What stands beside the file's own store belongs to that one.
        let is_other_store = has_origin && (file.dir.is_some() || file.store.is_some());
        Self {
            // A flag for one replaces the file's other.
            dir: self.dir.or(file.dir.filter(|_| self.store.is_none())),
            store: self.store.or(file.store.filter(|_| !has_dir)),
            endpoint: self.endpoint.or(file.endpoint.filter(|_| !is_other_store)),
            public_endpoint: self.public_endpoint.or(file.public_endpoint.filter(|_| !is_other_store)),
            redirect: self.redirect.or(file.redirect.filter(|_| !is_other_store)),
            redirect_valid: self.redirect_valid.or(file.redirect_valid.filter(|_| !is_other_store)),
            cache_dir: self.cache_dir.or(file.cache_dir.filter(|_| !is_other_store || !has_dir)),
            cache_size: self.cache_size.or(file.cache_size.filter(|_| !is_other_store || !has_dir)),
            listen: self.listen.or(file.listen),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            redirect_listen: self.redirect_listen.or(file.redirect_listen),
            public_port: self.public_port.or(file.public_port),
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

    fn origin(&mut self) -> Result<Origin, SettingsError> {
        let redirect = self.redirect.unwrap_or(false);
        let alone = |given, missing| Err(SettingsError::Alone { given, missing });
        match (redirect, self.redirect_valid.is_some(), self.public_endpoint.is_some()) {
            (false, true, _) => return alone("--redirect-valid", "--redirect"),
            (false, _, true) => return alone("--public-endpoint", "--redirect"),
            _ => {}
        }
        if let Some(seconds) = self.redirect_valid.filter(|seconds| !REDIRECT_VALID.contains(seconds)) {
            return Err(SettingsError::RedirectValid { seconds });
        }
        if self.cache_size.is_some() && self.cache_dir.is_none() {
            return alone("--cache-size", "--cache-dir");
        }
        let is_remote = self.store.as_ref().is_some_and(StoreUrl::is_remote);
        if (self.store.is_some() || self.dir.is_some()) && !is_remote {
            let given = [(redirect, "--redirect"), (self.cache_dir.is_some(), "--cache-dir")];
            if let Some((_, given)) = given.into_iter().find(|(is_given, _)| *is_given) {
                return Err(SettingsError::LocalStore { given });
            }
        }
        match (self.store.take(), self.dir.take()) {
            (Some(url), None) => Ok(Origin::Store(Box::new(StoreOrigin {
                url,
                endpoint: self.endpoint.take(),
                redirect: redirect.then(|| Redirect {
                    valid: Duration::from_secs(self.redirect_valid.unwrap_or(3600).into()),
                    public_endpoint: self.public_endpoint.take(),
                }),
                cache: self
                    .cache_dir
                    .take()
                    .map(|dir| CacheSettings { dir, size: self.cache_size.unwrap_or(4096).saturating_mul(1 << 20) }),
            }))),
            (None, Some(dir)) => Ok(Origin::Dir(dir)),
            (None, None) => Err(SettingsError::NoOrigin),
            (Some(_), Some(_)) => Err(SettingsError::TwoOrigins),
        }
    }

    /// Fills in what was left out.
    pub(crate) fn resolve(mut self) -> Result<Config, SettingsError> {
        let origin = self.origin()?;
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
            listen: self.listen.unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, port).into()),
            tls,
            redirect_listen: self.redirect_listen,
            public_port: self.public_port,
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
            pair_window: match (&origin, self.pair_window) {
                // The end of a download from the store is not seen here.
                (Origin::Store(store), None) => store.redirect.as_ref().map_or(PAIR_WINDOW, |redirect| redirect.valid),
                (_, window) => window.map_or(PAIR_WINDOW, |seconds| Duration::from_secs(seconds.into())),
            },
            shutdown_deadline: seconds(self.shutdown_deadline, 30),
            proxies: Proxies::new(self.trusted_proxy.unwrap_or_default()),
            access_log: self.access_log.unwrap_or(LogFormat::Text),
            log: self.log.unwrap_or(LogFormat::Text),
            origin,
        })
    }
}
