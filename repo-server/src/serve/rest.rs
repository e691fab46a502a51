//! What is no file: the page for people, listings, and everything that is not there.

use std::sync::Arc;

use artifact::Sha256Digest;
use axum::{
    Router,
    body::Body,
    extract::{OriginalUri, State},
    routing::get,
};
use base64::Engine;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use sha2::Digest;

use super::{
    app::{App, Served},
    front::Peer,
    refusal::{method_not_allowed, text},
};
use crate::{
    catalog::{Listing, RELEASE, STYLE, page},
    http::{Validators, Verdict, evaluate},
};

/// Every route but the files'.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(human))
        .route("/install", get(to_folder))
        .route("/install/{*path}", get(folder))
        .route("/install/", get(folder))
        .route("/releases", get(to_folder))
        .route("/releases/", get(folder))
        .route("/releases/{*path}", get(folder))
        .fallback(missing)
        .method_not_allowed_fallback(not_allowed)
        .with_state(app)
}

async fn human(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let served = app.served();
    let Some(served) = &*served else { return missing().await };
    let secure = request.extensions().get::<Peer>().copied();
    let (address, secure) =
        secure.map_or((std::net::Ipv4Addr::UNSPECIFIED.into(), false), |peer| (peer.address, peer.secure));
    let endpoint = app.proxies.endpoint(address, request.headers(), request.uri(), secure);
    let mut response =
        document(served, request.headers(), "text/html; charset=utf-8", page(&served.catalog, &endpoint));
    let style = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).expect("visible"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // The commands name the server as it was asked for; the host is part of every cache's key anyway.
    headers.insert(header::VARY, HeaderValue::from_static("X-Forwarded-Proto"));
    response
}

async fn folder(State(app): State<Arc<App>>, OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response<Body> {
    let served = app.served();
    let Some(served) = &*served else { return missing().await };
    let path = uri.path();
    let listing = if path.ends_with('/') { Listing::of(&served.catalog, path) } else { None };
    let Some(listing) = listing else {
        // A folder without its slash: relative links would lead elsewhere.
        return match Listing::of(&served.catalog, &format!("{path}/")) {
            Some(_) if !path.ends_with('/') => to_folder(OriginalUri(uri)).await,
            _ => missing().await,
        };
    };
    let mut response = if wants_json(&headers) {
        document(served, &headers, "application/json", listing.to_json())
    } else {
        document(served, &headers, "text/html; charset=utf-8", listing.to_html())
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

async fn to_folder(OriginalUri(uri): OriginalUri) -> Response<Body> {
    let mut response = plain(StatusCode::MOVED_PERMANENTLY, "see the folder\n");
    let location = HeaderValue::try_from(format!("{}/", uri.path())).expect("a path is visible");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

async fn missing() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "not found; /install/ lists what is here\n")
}

async fn not_allowed() -> Response<Body> {
    method_not_allowed().map(Body::new)
}

/// Whether JSON is named, and HTML is not named before it. Nobody sends weights for these two.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accept.flat_map(|value| value.split(',')).map(|range| range.split(';').next().unwrap_or("").trim());
    types
        .find(|media| matches!(*media, "application/json" | "text/html" | "*/*"))
        .is_some_and(|media| media == "application/json")
}

/// A text that was made for this request, with validators all the same.
fn document(served: &Served, request: &HeaderMap, media_type: &'static str, text: String) -> Response<Body> {
    let release = served.catalog.current();
    let validators = Validators::new(&Sha256Digest::of(text.as_bytes()).to_string(), release.modified.unix().into());
    let mut response = match evaluate(request, &validators) {
        Verdict::NotModified => Response::builder().status(StatusCode::NOT_MODIFIED).body(Body::empty()),
        Verdict::Failed => return plain(StatusCode::PRECONDITION_FAILED, "it is not that any more\n"),
        Verdict::Proceed { .. } => Response::builder()
            .header(header::CONTENT_TYPE, media_type)
            .header(header::CONTENT_LENGTH, text.len())
            .body(Body::from(text)),
    }
    .expect("the parts are valid");
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::try_from(validators.etag).expect("hexadecimal"));
    let modified = HeaderValue::try_from(httpdate::fmt_http_date(validators.modified)).expect("a date is visible");
    headers.insert(header::LAST_MODIFIED, modified);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RELEASE, HeaderValue::try_from(&*release.id).expect("digits and letters"));
    response
}

fn plain(status: StatusCode, said: &str) -> Response<Body> {
    text(status, said).map(Body::new)
}
