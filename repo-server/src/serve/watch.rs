//! Metrics and log of one request, from its head to the end of its answer.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderValue, Method, Response, Version, header, request::Parts};
use http_body::Body as _;
use http_body_util::Either;

use super::{
    access_log::Line,
    app::App,
    front::{Answer, Link, Peer},
    metrics::Route,
    pace::Activity,
};
use crate::blob::{BlobFault, Body, Meter};

/// Follows one request to the end of its answer.
pub(crate) struct Watch {
    app: Arc<App>,
    /// Who asks, whoever handed the request on.
    pub(crate) client: IpAddr,
    start: Instant,
    head: bool,
    link: Link,
    /// A package's path and release, while it is being downloaded.
    pub(crate) download: Option<(Box<str>, Arc<str>)>,
    /// What the log will say, if it is on.
    line: Option<Box<Line>>,
}

impl Watch {
    /// A request's head was read.
    pub(crate) fn new(app: &Arc<App>, peer: Peer, start: Instant, parts: &Parts, link: Link) -> Self {
        if let Some(activity) = &link.activity {
            activity.note();
        }
        let Parts { method, uri, headers, version, .. } = parts;
        let client = app.proxies.client(peer.address, headers);
        let said = |name| headers.get(name).map(|value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into());
        let line = app.access_log.is_on().then(|| {
            Box::new(Line {
                time: SystemTime::now(),
                client,
                method: method.to_string(),
                path: uri.path_and_query().map_or_else(|| "*".to_owned(), ToString::to_string),
                protocol: match *version {
                    Version::HTTP_10 => "HTTP/1.0",
                    Version::HTTP_2 => "HTTP/2.0",
                    _ => "HTTP/1.1",
                },
                status: 0,
                bytes: 0,
                complete: false,
                duration: Duration::ZERO,
                release: None,
                range: said(header::RANGE),
                user_agent: said(header::USER_AGENT),
                fault: None,
            })
        });
        Self { app: Arc::clone(app), client, start, head: method == Method::HEAD, link, download: None, line }
    }

    /// Counts the answer, and its body's bytes as they go.
    pub(crate) fn finish(mut self, response: Response<Body>, route: Route, release: Option<Arc<str>>) -> Answer {
        self.app.metrics.answered(route, response.status().as_u16());
        if let Some(line) = &mut self.line {
            line.status = response.status().as_u16();
            line.release = release;
        }
        let (parts, body) = response.into_parts();
        // An answer to HEAD has the fields of GET's and no body.
        let body = if self.head { Body::empty() } else { body };
        let transfer = Transfer {
            activity: self.link.activity,
            expected: body.len(),
            sent: 0,
            fault: None,
            download: self.download.map(|(path, release)| (self.client, path, release)),
            log: self.line.map(|line| (line, self.start)),
            app: self.app,
        };
        Response::from_parts(parts, Either::Left(body.through(self.link.outlet).metered(Box::new(transfer))))
    }

    /// Answers of axum are small and at hand, so they count as sent.
    pub(crate) fn finish_other(mut self, response: Response<axum::body::Body>) -> Answer {
        self.app.metrics.answered(Route::Other, response.status().as_u16());
        if let Some(mut line) = self.line.take() {
            line.status = response.status().as_u16();
            line.bytes = if self.head { 0 } else { response.body().size_hint().exact().unwrap_or(0) };
            line.complete = true;
            line.duration = self.start.elapsed();
            self.app.access_log.write(*line);
        }
        response.map(Either::Right)
    }
}

/// Lives as long as the body does.
#[derive(Debug)]
struct Transfer {
    app: Arc<App>,
    activity: Option<Activity>,
    expected: u64,
    sent: u64,
    fault: Option<BlobFault>,
    download: Option<(IpAddr, Box<str>, Arc<str>)>,
    log: Option<(Box<Line>, Instant)>,
}

impl Meter for Transfer {
    fn sent(&mut self, bytes: usize) {
        if let Some(activity) = &self.activity {
            activity.note();
        }
        self.app.metrics.sent.inc_by(bytes as u64);
        self.sent += bytes as u64;
    }

    fn failed(&mut self, fault: &BlobFault) {
        self.fault = Some(fault.clone());
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let complete = self.sent == self.expected;
        if !complete {
            self.app.metrics.aborted.inc();
        }
        if let Some((client, path, release)) = self.download.take()
            && let Some(served) = &*self.app.served()
        {
            self.app.sticky.ended(client, &path, &release, &served.catalog.current().id);
        }
        if let Some((mut line, start)) = self.log.take() {
            line.bytes = self.sent;
            line.complete = complete;
            line.duration = start.elapsed();
            line.fault = self.fault.take().map(|fault| fault.to_string());
            self.app.access_log.write(*line);
        }
    }
}
