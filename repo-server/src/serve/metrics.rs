//! What Prometheus asks for.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The kinds of answers that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Route {
    /// A package at a documented URI.
    Package,
    /// A checksum file at a documented URI.
    Checksum,
    /// A file of a named release.
    Release,
    /// Listings, the page for people, and what is not there.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: Route,
    status: u16,
}

/// How a blob came into memory, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Fill {
    /// Every byte is there and right.
    Verified,
    /// Other bytes than the release says.
    Corrupt,
    /// The store did not give it.
    Unreadable,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FillResult {
    result: Fill,
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
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Connections closed at once because there were too many.
    pub(crate) refused: Counter,
    /// TLS handshakes that failed.
    pub(crate) handshakes_failed: Counter,
    /// Releases that were found and could not be served.
    pub(crate) load_failures: Counter,
    /// Switches to another release.
    pub(crate) switches: Counter,
    /// New certificates that were refused.
    pub(crate) certificate_failures: Counter,
    /// When the certificate in use ends, in seconds since 1970.
    pub(crate) certificate_not_after: Gauge,
    resident: Gauge<u64, AtomicU64>,
    log_lines_dropped: Gauge<u64, AtomicU64>,
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
    /// All at zero.
    pub(crate) fn new(transport: Transport) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("slipway"),
            answers: Family::default(),
            sent: Counter::default(),
            aborted: Counter::default(),
            sticky: Counter::default(),
            fills: Family::default(),
            connections: Gauge::default(),
            refused: Counter::default(),
            handshakes_failed: Counter::default(),
            load_failures: Counter::default(),
            switches: Counter::default(),
            certificate_failures: Counter::default(),
            certificate_not_after: Gauge::default(),
            resident: Gauge::default(),
            log_lines_dropped: Gauge::default(),
        };
        metrics.register(transport);
        metrics
    }

    fn register(&mut self, transport: Transport) {
        let registry = &mut self.registry;
        registry.register("answers", "Answers by kind and status", self.answers.clone());
        registry.register("sent_bytes", "Body bytes given to connections", self.sent.clone());
        registry.register("bodies_aborted", "Bodies that ended early", self.aborted.clone());
        registry.register("sticky_answers", "Answers from the release of the client's package", self.sticky.clone());
        registry.register("blob_fills", "Blobs brought into memory", self.fills.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("connections_refused", "Connections beyond the limit", self.refused.clone());
        registry.register("handshakes_failed", "TLS handshakes that failed", self.handshakes_failed.clone());
        registry.register("release_load_failures", "Releases that could not be served", self.load_failures.clone());
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
        registry.register("log_lines_dropped", "Access log lines that found no room", self.log_lines_dropped.clone());
    }

    /// An answer begins.
    pub(crate) fn answered(&self, route: Route, status: u16) {
        self.answers.get_or_create(&Answer { route, status }).inc();
    }

    /// A blob came, or did not.
    pub(crate) fn filled(&self, result: Fill) {
        self.fills.get_or_create(&FillResult { result }).inc();
    }

    /// In the text format of `OpenMetrics` 1.0.
    #[must_use]
    pub(crate) fn render(&self, resident: u64, log_lines_dropped: u64) -> String {
        self.resident.inner().store(resident, Ordering::Relaxed);
        self.log_lines_dropped.inner().store(log_lines_dropped, Ordering::Relaxed);
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}
