//! The first to see a request: files are answered here, by exact path; all else goes on to axum.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Instant};

use artifact::InstallPath;
use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::Either;
use hyper::body::Incoming;
use tower_service::Service;

use super::{
    access_log::Line,
    app::{App, Served, Unavailable},
    metrics::Route,
    pace::Activity,
    refusal::{acceptable, method_not_allowed, refused, text, to_tls},
    watch::Watch,
};
use crate::{
    blob::{Body, Need, Outlet, Segment},
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

/// What an answer tells its connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// That its client is not idle.
    pub(crate) activity: Option<Activity>,
    /// Where the bytes stand.
    pub(crate) outlet: Option<Outlet>,
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
        link: Link,
    ) -> Result<Answer, Infallible> {
        let start = Instant::now();
        let (parts, body) = request.into_parts();
        let mut watch = Watch::new(&self.app, peer, start, &parts, link);
        if let Err(refusal) = acceptable(&parts, &body) {
            return Ok(watch.finish(refused(refusal), Route::Other, None));
        }
        let rest = match &self.duty {
            Duty::Serve(rest) => rest,
            Duty::Redirect(port) => return Ok(watch.finish(to_tls(&parts, *port), Route::Other, None)),
        };
        let served = self.app.served();
        let Some(served) = &*served else {
            return Ok(watch.finish(unavailable("no release is loaded yet\n"), Route::Other, None));
        };
        let hit = served.catalog.find(parts.uri.path());
        if let Some(hit) = hit.or_else(|| self.dropped(served, watch.client, &parts)) {
            if !matches!(parts.method, Method::GET | Method::HEAD) {
                return Ok(watch.finish(method_not_allowed(), Route::Other, None));
            }
            let Planned { reply, resource, release, route, need } = self.plan(served, &hit, watch.client, &parts);
            let response = match (reply.wanted_blob(resource), served.source.redirector()) {
                (Some(digest), Some(redirector)) if !has_condition(&parts.headers) => {
                    redirector.lead(digest, &self.app.metrics).await
                }
                _ => None,
            };
            let response = response.unwrap_or_else(|| self.response(served, resource, reply, need));
            if route == Route::Package && parts.method == Method::GET && is_download(response.status()) {
                watch.download = Some((parts.uri.path().into(), Arc::clone(&release)));
            }
            return Ok(watch.finish(response, route, Some(release)));
        }
        let mut request = Request::from_parts(parts, axum::body::Body::empty());
        request.extensions_mut().insert(peer);
        let response = rest.clone().call(request).await.unwrap_or_else(|never| match never {});
        Ok(watch.finish_other(response))
    }

    /// A client and we could not agree on TLS.
    pub(crate) fn count_failed_handshake(&self) {
        self.app.metrics.handshakes_failed.inc();
    }

    /// A connection of HTTP/1 ended in an error. What is no request is answered by hyper: this only keeps the books.
    pub(crate) fn broke(&self, peer: Peer, error: &hyper::Error) {
        let status = match error {
            error if error.is_parse_too_large() => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error if error.is_parse() => StatusCode::BAD_REQUEST,
            _ => return,
        };
        self.app.metrics.answered(Route::Malformed, status.as_u16());
        if self.app.access_log.is_on() {
            self.app.access_log.write(Line::malformed(peer.address.to_canonical(), status.as_u16(), error.to_string()));
        }
    }

    /// What is to be answered, and that it was asked.
    fn plan<'a>(&self, served: &'a Served, hit: &Hit<'a>, client: IpAddr, parts: &Parts) -> Planned<'a> {
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
        let reply = resource.reply(method, headers, hit.lifetime);
        if hit.lifetime == Lifetime::Current && is_package && method == Method::GET && is_download(reply.status) {
            self.app.sticky.remember(client, path, &release.id);
        }
        let need = match hit.lifetime {
            Lifetime::Current => Need::Current,
            Lifetime::Release => Need::Earlier,
        };
        Planned { reply, resource, release: Arc::clone(&release.id), route, need }
    }

    /// A file that the current release has no more, for a client that is in the middle of it.
    fn dropped<'a>(&self, served: &'a Served, client: IpAddr, parts: &Parts) -> Option<Hit<'a>> {
        let path = parts.uri.path();
        let (release, resource) =
            self.began_with(served, client, path, !path.ends_with(InstallPath::CHECKSUM_SUFFIX), &parts.headers)?;
        Some(Hit { release, resource, lifetime: Lifetime::Current })
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
        let package = path.strip_suffix(InstallPath::CHECKSUM_SUFFIX).unwrap_or(path);
        let id = self.app.sticky.recall(client, package)?;
        if id == served.catalog.current().id {
            return None;
        }
        let release = served.catalog.release(&id)?;
        Some((release, release.file(path)?))
    }

    fn response(&self, served: &Served, resource: &Resource, reply: Reply, need: Need) -> Response<Body> {
        // What is wrong with the store is for the log, and not for strangers.
        let said = match self.with_body(served, resource, reply, need) {
            Ok(response) => return response,
            Err(Unavailable::Fault) => "this package cannot be read at the moment\n",
            Err(Unavailable::Full) => "too many different packages are being downloaded at the moment\n",
        };
        unavailable(said)
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

/// What is answered to one request for a file.
struct Planned<'a> {
    reply: Reply,
    resource: &'a Resource,
    /// The id of the release that it is from.
    release: Arc<str>,
    route: Route,
    need: Need,
}

fn unavailable(said: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, said);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
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

/// A client repeats its conditions where it is sent, and the store has other tags and dates for the same bytes.
fn has_condition(headers: &HeaderMap) -> bool {
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE, header::IF_RANGE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Whether a download can go on after an answer with this status, or was found to be done.
fn is_download(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}
