//! What is answered without looking for a file: requests that are none, and those in the open where TLS is spoken.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use http_body::Body as _;
use hyper::body::Incoming;

use super::client::is_authority;
use crate::blob::Body;

/// RFC 9112 sections 3.2 and 6.1, and that a download has no use for a body. What is refused may be an attempt to make two
/// servers read one stream of bytes in two ways, so the connection ends with the answer.
pub(crate) fn acceptable(parts: &Parts, body: &Incoming) -> Result<(), &'static str> {
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

/// The same URI with `https:`, RFC 9110 section 15.4.9. `acceptable` has looked at the host.
pub(crate) fn to_tls(parts: &Parts, port: u16) -> Response<Body> {
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

/// 400, and the connection ends.
pub(crate) fn refused(reason: &'static str) -> Response<Body> {
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

/// A line of text for whoever reads it.
pub(crate) fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::text(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
