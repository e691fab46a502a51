//! The first to see a request: files are answered here, by exact path; all else goes on to axum.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use axum::Router;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use http_body::Body as _;
use http_body_util::Either;
use hyper::body::Incoming;
use tower_service::Service;

use super::{
    access_log::Line,
    app::{App, Served, Unavailable},
    client::is_authority,
    metrics::Route,
    pace::Activity,
};
use crate::{
    blob::{BlobFault, Body, Meter, Need, Segment},
    catalog::{Content, Follows, Hit, Lifetime, Release, Reply, Resource},
};

/// What goes back to the connection.
pub(crate) type Answer = Response<Either<Body, axum::body::Body>>;

/// What is known of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The other end, which may be a proxy.
    pub(crate) address: IpAddr,
    /// Whether it speaks TLS with us.
    pub(crate) secure: bool,
}

/// One for each thread; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    app: Arc<App>,
    duty: Duty,
}

#[derive(Debug, Clone)]
enum Duty {
    /// Files, and a router for what is none.
    Serve(Router),
    /// Sends everybody to the same URI over TLS, on this port.
    Redirect(u16),
}

impl Front {
    /// `rest` answers what is no file.
    #[must_use]
    pub(crate) fn new(app: Arc<App>, rest: Router) -> Self {
        Self { app, duty: Duty::Serve(rest) }
    }

    /// Serves nothing in the open, and says where TLS is.
    #[must_use]
    pub(crate) fn redirecting(app: Arc<App>, port: u16) -> Self {
        Self { app, duty: Duty::Redirect(port) }
    }

    /// Answers a request; it cannot fail, since every fault has an answer.
    pub(crate) async fn answer(
        &self,
        peer: Peer,
        request: Request<Incoming>,
        activity: Activity,
    ) -> Result<Answer, Infallible> {
        activity.note();
        let start = Instant::now();
        let (parts, body) = request.into_parts();
        let mut watch = Watch::new(&self.app, peer, start, &parts, activity);
        if let Err(refusal) = acceptable(&parts, &body) {
            return Ok(watch.finish(refused(refusal), Route::Other, None));
        }
        let rest = match &self.duty {
            Duty::Serve(rest) => rest,
            Duty::Redirect(port) => return Ok(watch.finish(to_tls(&parts, *port), Route::Other, None)),
        };
        let served = self.app.served();
        let Some(served) = &*served else {
            let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "no release is loaded yet\n");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            return Ok(watch.finish(response, Route::Other, None));
        };
        if let Some(hit) = served.catalog.find(parts.uri.path()) {
            let (response, route, release) = self.file(served, &hit, watch.client, &parts);
            if route == Route::Package && parts.method == Method::GET {
                watch.download = Some((parts.uri.path().into(), Arc::clone(&release)));
            }
            return Ok(watch.finish(response, route, Some(release)));
        }
        let mut request = Request::from_parts(parts, axum::body::Body::empty());
        request.extensions_mut().insert(peer);
        let response = rest.clone().call(request).await.unwrap_or_else(|never| match never {});
        Ok(watch.finish_other(response))
    }

    fn file(&self, served: &Served, hit: &Hit<'_>, client: IpAddr, parts: &Parts) -> (Response<Body>, Route, Arc<str>) {
        let Parts { method, uri, headers, .. } = parts;
        let path = uri.path();
        let (mut release, mut resource) = (hit.release, hit.resource);
        let is_package = matches!(resource.content, Content::Blob(_));
        let route = match (hit.lifetime, is_package) {
            (Lifetime::Release, _) => Route::Release,
            (Lifetime::Current, true) => Route::Package,
            (Lifetime::Current, false) => Route::Checksum,
        };
        if hit.lifetime == Lifetime::Current
            && let Some((earlier, file)) = self.began_with(served, client, path, is_package, headers)
        {
            self.app.metrics.sticky.inc();
            (release, resource) = (earlier, file);
        }
        let id = Arc::clone(&release.id);
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (method_not_allowed(), route, id);
        }
        let reply = resource.reply(method, headers, hit.lifetime);
        if hit.lifetime == Lifetime::Current && is_package && method == Method::GET && is_download(reply.status) {
            self.app.sticky.remember(client, path, &id);
        }
        let need = match hit.lifetime {
            Lifetime::Current => Need::Current,
            Lifetime::Release => Need::Earlier,
        };
        // What is wrong with the store is for the log, and not for strangers.
        let response = self.with_body(served, resource, reply, need).unwrap_or_else(|reason| {
            let said = match reason {
                Unavailable::Fault => "this package cannot be read at the moment\n",
                Unavailable::Full => "too many different packages are being downloaded at the moment\n",
            };
            let mut response = text(StatusCode::SERVICE_UNAVAILABLE, said);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        });
        (response, route, id)
    }

    /// The release that the client's download began with, if another one is current now. That is what its checksum must be
    /// from, and the rest of a package, unless the client itself says what it has.
    fn began_with<'a>(
        &self,
        served: &'a Served,
        client: IpAddr,
        path: &str,
        is_package: bool,
        headers: &HeaderMap,
    ) -> Option<(&'a Arc<Release>, &'a Arc<Resource>)> {
        if !self.app.sticky.may_matter(served.catalog.since) {
            return None;
        }
        let is_rest = headers.contains_key(header::RANGE) && !headers.contains_key(header::IF_RANGE);
        if is_package && !is_rest {
            return None;
        }
        let package = path.strip_suffix(".sha256").unwrap_or(path);
        let id = self.app.sticky.recall(client, package)?;
        if id == served.catalog.current().id {
            return None;
        }
        let release = served.catalog.release(&id)?;
        Some((release, release.file(path)?))
    }

    fn with_body(
        &self,
        served: &Served,
        resource: &Resource,
        reply: Reply,
        need: Need,
    ) -> Result<Response<Body>, Unavailable> {
        let body = match (reply.body, &resource.content) {
            (Follows::Nothing, _) => Body::empty(),
            (Follows::Whole, Content::Inline(bytes)) => Body::text(bytes.clone()),
            (Follows::Part(range), Content::Inline(bytes)) => Body::text(cut(bytes, range)),
            (Follows::Parts(parts, tail), Content::Inline(bytes)) => {
                Body::many(multipart(parts, tail, |range| Segment::Bytes(cut(bytes, range))))
            }
            (Follows::Whole, Content::Blob(digest)) => {
                let blob = self.app.blob(served, *digest, resource.size, need)?;
                crate::http::ByteRange::whole(resource.size)
                    .map_or_else(Body::empty, |range| Body::one(Segment::range(&blob, range)))
            }
            (Follows::Part(range), Content::Blob(digest)) => {
                Body::one(Segment::range(&self.app.blob(served, *digest, resource.size, need)?, range))
            }
            (Follows::Parts(parts, tail), Content::Blob(digest)) => {
                let blob = self.app.blob(served, *digest, resource.size, need)?;
                Body::many(multipart(parts, tail, |range| Segment::range(&blob, range)))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}

fn cut(bytes: &Bytes, range: crate::http::ByteRange) -> Bytes {
    let index = |offset: u64| usize::try_from(offset).expect("it is in memory");
    bytes.slice(index(range.start())..index(range.end()))
}

fn multipart(
    parts: Vec<(Bytes, crate::http::ByteRange)>,
    tail: Bytes,
    segment: impl Fn(crate::http::ByteRange) -> Segment,
) -> Vec<Segment> {
    let parts = parts.into_iter().flat_map(|(head, range)| [Segment::Bytes(head), segment(range)]);
    parts.chain([Segment::Bytes(tail)]).collect()
}

/// RFC 9112 sections 3.2 and 6.1, and that a download has no use for a body. What is refused may be an attempt to make two
/// servers read one stream of bytes in two ways, so the connection ends with the answer.
fn acceptable(parts: &Parts, body: &Incoming) -> Result<(), &'static str> {
    let headers = &parts.headers;
    if parts.version == Version::HTTP_11 {
        let mut hosts = headers.get_all(header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if is_host(host) => {}
            (None, _) => return Err("the request has no Host\n"),
            _ => return Err("the request has no usable Host\n"),
        }
    }
    if parts.uri.authority().is_some_and(|authority| !is_authority(authority.as_str())) {
        return Err("the request has no usable authority\n");
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || !body.is_end_stream()
    {
        return Err("requests have no body here\n");
    }
    Ok(())
}

fn is_host(host: &HeaderValue) -> bool {
    host.is_empty() || host.to_str().is_ok_and(is_authority)
}

/// Whether a download can go on after an answer with this status, or was found to be done.
fn is_download(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

/// The same URI with `https:`, RFC 9110 section 15.4.9. `acceptable` has looked at the host.
fn to_tls(parts: &Parts, port: u16) -> Response<Body> {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let Some(host) = parts.uri.authority().cloned().or(host) else {
        return refused("the request has no usable Host\n");
    };
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut response = text(StatusCode::PERMANENT_REDIRECT, "use https\n");
    if let Ok(location) = HeaderValue::try_from(format!("https://{}{port}{path}", host.host())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn refused(reason: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::BAD_REQUEST, reason);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// 405 with what is allowed, RFC 9110 section 15.5.6.
pub(crate) fn method_not_allowed() -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::text(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Follows one request to the end of its answer.
struct Watch {
    app: Arc<App>,
    client: IpAddr,
    start: Instant,
    head: bool,
    activity: Activity,
    /// A package's path and release, while it is being downloaded.
    download: Option<(Box<str>, Arc<str>)>,
    /// What the log will say, if it is on.
    line: Option<Box<Line>>,
}

impl Watch {
    fn new(app: &Arc<App>, peer: Peer, start: Instant, parts: &Parts, activity: Activity) -> Self {
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
                duration: std::time::Duration::ZERO,
                release: None,
                range: said(header::RANGE),
                user_agent: said(header::USER_AGENT),
                fault: None,
            })
        });
        Self { app: Arc::clone(app), client, start, head: method == Method::HEAD, activity, download: None, line }
    }

    fn finish(mut self, response: Response<Body>, route: Route, release: Option<Arc<str>>) -> Answer {
        self.app.metrics.answered(route, response.status().as_u16());
        if let Some(line) = &mut self.line {
            line.status = response.status().as_u16();
            line.release = release;
        }
        let (parts, body) = response.into_parts();
        // An answer to HEAD has the fields of GET's and no body.
        let body = if self.head { Body::empty() } else { body };
        let transfer = Transfer {
            activity: self.activity,
            expected: body.len(),
            sent: 0,
            fault: None,
            download: self.download.map(|(path, release)| (self.client, path, release)),
            log: self.line.map(|line| (line, self.start)),
            app: self.app,
        };
        Response::from_parts(parts, Either::Left(body.metered(Box::new(transfer))))
    }

    /// Answers of axum are small and at hand, so they count as sent.
    fn finish_other(mut self, response: Response<axum::body::Body>) -> Answer {
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
    activity: Activity,
    expected: u64,
    sent: u64,
    fault: Option<BlobFault>,
    download: Option<(IpAddr, Box<str>, Arc<str>)>,
    log: Option<(Box<Line>, Instant)>,
}

impl Meter for Transfer {
    fn sent(&mut self, bytes: usize) {
        self.activity.note();
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
