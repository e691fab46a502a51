//! What Prometheus asks for.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use crate::catalog::Release;

/// The kinds of answers that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// A package at a documented URI.
    Package,
    /// A checksum file at a documented URI.
    Checksum,
    /// A file of a named release.
    Release,
    /// Listings, the page for people, and what is not there.
    Other,
    /// What is no request.
    Malformed,
}

impl Route {
    const fn label(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Checksum => "checksum",
            Self::Release => "release",
            Self::Other => "other",
            Self::Malformed => "malformed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: &'static str,
    status: u16,
}

/// How a blob came into memory, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Every byte is there and right.
    Verified,
    /// Other bytes than the release says.
    Corrupt,
    /// The store did not give it.
    Unreadable,
}

impl Fill {
    const fn label(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
        }
    }
}

/// What became of a use of the cache on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskUse {
    /// The blob was there.
    Hit,
    /// It was not.
    Miss,
    /// It was there with other bytes.
    Corrupt,
    /// It could not be kept.
    WriteFailed,
}

impl DiskUse {
    const fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Corrupt => "corrupt",
            Self::WriteFailed => "write_failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FillResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServedRelease {
    release: String,
    version: String,
}

/// All counters of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    answers: Family<Answer, Counter>,
    /// Body bytes that were given to connections.
    pub(crate) sent: Counter,
    /// Bodies that ended early, by the client or by us.
    pub(crate) aborted: Counter,
    /// `.sha256` and range requests answered from the release that their client's package came from.
    pub(crate) sticky: Counter,
    fills: Family<FillResult, Counter>,
    disk: Family<FillResult, Counter>,
    /// URLs that the store could not sign.
    pub(crate) redirects_failed: Counter,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Connections closed at once because there were too many.
    pub(crate) refused: Counter,
    /// TLS handshakes that failed.
    pub(crate) handshakes_failed: Counter,
    /// Looks for a new release that ended in an error.
    pub(crate) load_failures: Counter,
    switches: Counter,
    release: Family<ServedRelease, Gauge>,
    /// New certificates that were refused.
    pub(crate) certificate_failures: Counter,
    /// When the certificate in use ends, in seconds since 1970.
    pub(crate) certificate_not_after: Gauge,
    resident: Gauge<u64, AtomicU64>,
}

/// Whether a server has a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// It speaks TLS.
    Tls,
    /// It does not, and has no certificate that could end.
    Open,
}

impl Metrics {
    /// All at zero. `log_lines_dropped` is the access log's own count.
    pub(crate) fn new(transport: Transport, log_lines_dropped: Counter) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("slipway"),
            answers: Family::default(),
            sent: Counter::default(),
            aborted: Counter::default(),
            sticky: Counter::default(),
            fills: Family::default(),
            disk: Family::default(),
            redirects_failed: Counter::default(),
            connections: Gauge::default(),
            refused: Counter::default(),
            handshakes_failed: Counter::default(),
            load_failures: Counter::default(),
            switches: Counter::default(),
            release: Family::default(),
            certificate_failures: Counter::default(),
            certificate_not_after: Gauge::default(),
            resident: Gauge::default(),
        };
        metrics.register(transport);
        metrics.registry.register("log_lines_dropped", "Access log lines that found no room", log_lines_dropped);
        metrics
    }

    fn register(&mut self, transport: Transport) {
        let registry = &mut self.registry;
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("release", "The current release, always 1", self.release.clone());
        registry.register("answers", "Answers by kind and status", self.answers.clone());
        registry.register("sent_bytes", "Body bytes given to connections", self.sent.clone());
        registry.register("bodies_aborted", "Bodies that ended early", self.aborted.clone());
        registry.register("sticky_answers", "Answers from the release of the client's package", self.sticky.clone());
        registry.register("blob_fills", "Blobs brought into memory", self.fills.clone());
        registry.register("disk_cache_uses", "Uses of the cache on disk", self.disk.clone());
        registry.register("redirects_failed", "URLs that the store did not sign", self.redirects_failed.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("connections_refused", "Connections beyond the limit", self.refused.clone());
        registry.register("handshakes_failed", "TLS handshakes that failed", self.handshakes_failed.clone());
        registry.register("release_load_failures", "Looks for a new release that failed", self.load_failures.clone());
        registry.register("release_switches", "Switches to another release", self.switches.clone());
        registry.register("certificate_failures", "Certificates that were refused", self.certificate_failures.clone());
        if transport == Transport::Tls {
            registry.register(
                "certificate_not_after_timestamp_seconds",
                "When the certificate in use ends, since 1970",
                self.certificate_not_after.clone(),
            );
        }
        registry.register("resident_bytes", "Blobs in memory", self.resident.clone());
    }

    /// An answer begins.
    pub(crate) fn answered(&self, route: Route, status: u16) {
        self.answers.get_or_create(&Answer { route: route.label(), status }).inc();
    }

    /// A blob came, or did not.
    pub(crate) fn filled(&self, result: Fill) {
        self.fills.get_or_create(&FillResult { result: result.label() }).inc();
    }

    /// The cache on disk was used.
    pub(crate) fn disk(&self, result: DiskUse) {
        self.disk.get_or_create(&FillResult { result: result.label() }).inc();
    }

    /// Another release is current.
    pub(crate) fn switched(&self, release: &Release) {
        self.switches.inc();
        self.release.clear();
        let labels = ServedRelease { release: release.id.to_string(), version: release.manifest.version.clone() };
        self.release.get_or_create(&labels).set(1);
    }

    /// In the text format of `OpenMetrics` 1.0.
    #[must_use]
    pub(crate) fn render(&self, resident: u64) -> String {
        self.resident.inner().store(resident, Ordering::Relaxed);
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}
