//! Certificate and key from files, read again when they change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use artifact::Sha256Digest;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tracing::{error, info};
use x509_parser::parse_x509_certificate;

use super::metrics::Metrics;

/// How often the files are looked at. A Kubernetes secret takes about a minute to arrive anyway.
const INTERVAL: Duration = Duration::from_secs(2);

/// The two files of a `kubernetes.io/tls` secret, or any other two in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPairFiles {
    /// The certificate, followed by its issuers.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

/// A pair that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// The key is of a kind that is not supported, or belongs to another certificate.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// rustls's words.
        source: rustls::Error,
    },
    /// The certificate is malformed.
    #[error("the certificate in {} cannot be read", path.display())]
    Certificate {
        /// Its file.
        path: PathBuf,
    },
    /// Its time is over.
    #[error("the certificate in {} ended {not_after}", path.display())]
    Expired {
        /// Its file.
        path: PathBuf,
        /// When, as an HTTP date.
        not_after: String,
    },
    /// Its time has not come.
    #[error("the certificate in {} begins {not_before}", path.display())]
    Early {
        /// Its file.
        path: PathBuf,
        /// When, as an HTTP date.
        not_before: String,
    },
    /// The library refused the settings.
    #[error("cannot set up TLS")]
    Setup {
        /// Why.
        source: rustls::Error,
    },
}

impl TlsError {
    /// The next step.
    #[must_use]
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } => "check --tls-cert and --tls-key, and who may read the files".to_owned(),
            Self::Pem { .. } | Self::Certificate { .. } => {
                "the files are those of `kubectl create secret tls`: PEM, certificate first, then its issuers"
                    .to_owned()
            }
            Self::Mismatch { .. } => "take the key that the certificate was requested with".to_owned(),
            Self::Expired { .. } => "renew the certificate".to_owned(),
            Self::Early { .. } => "check this machine's clock, or take the certificate before this one".to_owned(),
            Self::Setup { .. } => return None,
        })
    }
}

/// A pair that was checked.
#[derive(Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    /// Of both files, to see a change that leaves sizes and times as they were.
    digest: Sha256Digest,
    not_after: SystemTime,
}

/// Gives every handshake the pair that is current.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: KeyPairFiles,
    current: ArcSwap<Loaded>,
}

impl Certificates {
    /// Loads the pair for the first time.
    pub(crate) fn load(files: KeyPairFiles) -> Result<Arc<Self>, TlsError> {
        let current = load(&files)?;
        Ok(Arc::new(Self { files, current: ArcSwap::from_pointee(current) }))
    }

    /// When the current certificate ends.
    #[must_use]
    pub(crate) fn not_after(&self) -> SystemTime {
        self.current.load().not_after
    }

    /// TLS 1.2 and 1.3, HTTP/2 first.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let setup = |source| TlsError::Setup { source };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        // The last one is all that `curl -0` offers, and whoever offers nothing that is here is turned away.
        config.alpn_protocols = [&b"h2"[..], b"http/1.1", b"http/1.0"].map(<[u8]>::to_vec).to_vec();
        // For TLS 1.2, which sends them only to who asks. They need no memory here.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(setup)?;
        // curl, apt and dnf forget a session with the process, so a ticket would be made and sent for nobody.
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// Looks at the files until the server ends. A bad pair is refused aloud, once, and the old one serves on.
    pub(crate) async fn follow(self: Arc<Self>, metrics: Arc<Metrics>) {
        let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        metrics.certificate_not_after.set(seconds(self.not_after()).cast_signed());
        let mut refused = Refused::Nothing;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let this = Arc::clone(&self);
            let Ok(read) = tokio::task::spawn_blocking(move || read(&this.files)).await else { continue };
            let digest = read.as_ref().ok().map(|(_, _, digest)| *digest);
            if digest == Some(self.current.load().digest) {
                refused = Refused::Nothing;
                continue;
            }
            match read.and_then(|(certificate, key, digest)| check(&self.files, &certificate, &key, digest)) {
                Ok(loaded) => {
                    info!(certificate = %self.files.certificate.display(), "new certificate in use");
                    metrics.certificate_not_after.set(seconds(loaded.not_after).cast_signed());
                    self.current.store(Arc::new(loaded));
                    refused = Refused::Nothing;
                }
                Err(error) if refused == Refused::Once(digest) => {
                    metrics.certificate_failures.inc();
                    error!(
                        error = &error as &dyn std::error::Error,
                        hint = error.hint(),
                        "new certificate refused; the old one stays in use"
                    );
                    refused = Refused::Aloud(digest);
                }
                Err(_) if refused == Refused::Aloud(digest) => {}
                Err(_) => refused = Refused::Once(digest),
            }
        }
    }
}

/// Which new pair, by its digest if it could be read, did not do. Two files that are copied one after the other do not fit
/// for a moment, so the first look at a bad pair says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Nothing,
    Once(Option<Sha256Digest>),
    Aloud(Option<Sha256Digest>),
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().key))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn load(files: &KeyPairFiles) -> Result<Loaded, TlsError> {
    let (certificate, key, digest) = read(files)?;
    check(files, &certificate, &key, digest)
}

fn read(files: &KeyPairFiles) -> Result<(Vec<u8>, Vec<u8>, Sha256Digest), TlsError> {
    let read = |path: &Path| fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
    let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
    let digest = Sha256Digest::of(&[certificate.as_slice(), key.as_slice()].concat());
    Ok((certificate, key, digest))
}

fn check(files: &KeyPairFiles, certificate: &[u8], key: &[u8], digest: Sha256Digest) -> Result<Loaded, TlsError> {
    let pem = |path: &Path, what| TlsError::Pem { path: path.to_owned(), what };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| pem(&files.certificate, "certificate"))?;
    let end = chain.first().ok_or_else(|| pem(&files.certificate, "certificate"))?;
    let malformed = || TlsError::Certificate { path: files.certificate.clone() };
    let (_, parsed) = parse_x509_certificate(end).map_err(|_| malformed())?;
    let time = |time: x509_parser::time::ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).map_err(|_| malformed())?;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    };
    let (not_before, not_after) = (time(parsed.validity().not_before)?, time(parsed.validity().not_after)?);
    if not_before > SystemTime::now() {
        let not_before = httpdate::fmt_http_date(not_before);
        return Err(TlsError::Early { path: files.certificate.clone(), not_before });
    }
    if not_after < SystemTime::now() {
        let not_after = httpdate::fmt_http_date(not_after);
        return Err(TlsError::Expired { path: files.certificate.clone(), not_after });
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| pem(&files.key, "private key"))?;
    let mismatch =
        |source| TlsError::Mismatch { certificate: files.certificate.clone(), key: files.key.clone(), source };
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(mismatch)?;
    Ok(Loaded { key: Arc::new(key), digest, not_after })
}
