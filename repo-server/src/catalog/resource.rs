//! One file of a release, with everything that its responses say, prepared once.

use artifact::{PackageFormat, ReleaseTime, Sha256Digest};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::http::{Asked, ByteRange, Validators, Verdict, evaluate, parse};

const DIGEST: HeaderName = HeaderName::from_static("digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// Which release an answer is from.
pub const RELEASE: HeaderName = HeaderName::from_static("slipway-release");

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// At hand: checksum files.
    Inline(Bytes),
    /// A package.
    Blob(Sha256Digest),
}

/// Whether a URI can come to name other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// The documented URIs: every use asks whether they still name the same bytes.
    Current,
    /// A release's own URIs: a year in every cache.
    Release,
}

/// A file that can be had.
#[derive(Debug)]
pub struct Resource {
    /// Where its bytes are.
    pub content: Content,
    /// In bytes.
    pub size: u64,
    validators: Validators,
    current: HeaderMap,
    release: HeaderMap,
}

/// The first part of an answer, and which bytes are to follow.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// All fields but `Date`, and with `Content-Length` where there is a body or would be one.
    pub headers: HeaderMap,
    /// What follows.
    pub body: Follows,
}

/// The bytes of a [`Reply`].
#[derive(Debug, PartialEq, Eq)]
pub enum Follows {
    /// None.
    Nothing,
    /// The whole file.
    Whole,
    /// A part of it.
    Part(ByteRange),
    /// Parts, each after its own head, and then the tail.
    Parts(Vec<(Bytes, ByteRange)>, Bytes),
}

/// `multipart/byteranges` needs a line that the parts do not hold; a digest of a digest stands in no package.
fn boundary(digest: Sha256Digest) -> String {
    Sha256Digest::of(digest.as_bytes()).to_string().split_off(32)
}

impl Resource {
    /// A package of a release.
    #[must_use]
    pub fn package(
        format: PackageFormat,
        digest: Sha256Digest,
        size: u64,
        modified: ReleaseTime,
        release: &str,
    ) -> Self {
        let media_type = match format {
            PackageFormat::Deb => "application/vnd.debian.binary-package",
            PackageFormat::Rpm => "application/x-rpm",
        };
        Self::new(Content::Blob(digest), digest, size, media_type, modified, release)
    }

    /// A `.sha256` file of a release.
    #[must_use]
    pub fn checksum(line: String, modified: ReleaseTime, release: &str) -> Self {
        let (digest, size) = (Sha256Digest::of(line.as_bytes()), line.len() as u64);
        Self::new(Content::Inline(line.into()), digest, size, "text/plain; charset=utf-8", modified, release)
    }

    fn new(
        content: Content,
        digest: Sha256Digest,
        size: u64,
        media_type: &'static str,
        modified: ReleaseTime,
        release: &str,
    ) -> Self {
        let validators = Validators::new(&digest.to_string(), modified.unix().into());
        let text = |text: String| HeaderValue::try_from(text).expect("digits, letters and dates are visible");
        let base64 = base64(digest.as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CONTENT_LENGTH, size.into());
        headers.insert(header::LAST_MODIFIED, text(httpdate::fmt_http_date(validators.modified)));
        headers.insert(header::ETAG, text(validators.etag.clone()));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        // aria2 checks RFC 3230's field by itself; RFC 9530's is its successor.
        headers.insert(DIGEST, text(format!("SHA-256={base64}")));
        headers.insert(REPR_DIGEST, text(format!("sha-256=:{base64}:")));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(RELEASE, text(release.to_owned()));
        let with = |cache: &'static str| {
            let mut headers = headers.clone();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
            headers
        };
        let (current, release) = (with("no-cache"), with("max-age=31536000, immutable"));
        Self { content, size, validators, current, release }
    }

    /// The digest that names the state of the file.
    fn digest(&self) -> Sha256Digest {
        match &self.content {
            Content::Inline(bytes) => Sha256Digest::of(bytes),
            Content::Blob(digest) => *digest,
        }
    }

    /// The answer to GET or HEAD with these request fields.
    #[must_use]
    pub fn reply(&self, method: &Method, request: &HeaderMap, lifetime: Lifetime) -> Reply {
        let ready = match lifetime {
            Lifetime::Current => &self.current,
            Lifetime::Release => &self.release,
        };
        // Most requests have neither.
        let range = match evaluate(request, &self.validators) {
            Verdict::NotModified => return not_modified(ready),
            Verdict::Failed => return Reply::without_body(StatusCode::PRECONDITION_FAILED, ready),
            Verdict::Proceed { range } => range,
        };
        // Ranges are defined for GET alone, RFC 9110 section 14.2.
        let mut fields = request.get_all(header::RANGE).iter();
        let asked = match (fields.next(), fields.next()) {
            (Some(field), None) if range && method == Method::GET => {
                field.to_str().map_or(Asked::Whole, |field| parse(field, self.size))
            }
            // Two lines are malformed: whoever reads the other one would be given the wrong bytes.
            _ => Asked::Whole,
        };
        match asked {
            Asked::Whole => {
                let body = if method == Method::HEAD { Follows::Nothing } else { Follows::Whole };
                Reply { status: StatusCode::OK, headers: ready.clone(), body }
            }
            Asked::Unsatisfiable => {
                let mut reply = Reply::without_body(StatusCode::RANGE_NOT_SATISFIABLE, ready);
                let value = HeaderValue::try_from(format!("bytes */{}", self.size)).expect("digits");
                reply.headers.insert(header::CONTENT_RANGE, value);
                reply
            }
            Asked::One(range) => {
                let mut headers = ready.clone();
                headers.insert(header::CONTENT_LENGTH, range.len().into());
                let value = HeaderValue::try_from(range.content_range(self.size)).expect("digits");
                headers.insert(header::CONTENT_RANGE, value);
                Reply { status: StatusCode::PARTIAL_CONTENT, headers, body: Follows::Part(range) }
            }
            Asked::Several(ranges) => self.multipart(ready, &ranges),
        }
    }

    /// RFC 9110 section 14.6.
    fn multipart(&self, ready: &HeaderMap, ranges: &[ByteRange]) -> Reply {
        let boundary = boundary(self.digest());
        let media_type = ready[header::CONTENT_TYPE].to_str().expect("made from text");
        let head = |range: &ByteRange| {
            let content_range = range.content_range(self.size);
            Bytes::from(format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range}\r\n\r\n"
            ))
        };
        let parts: Vec<(Bytes, ByteRange)> = ranges.iter().map(|range| (head(range), *range)).collect();
        let tail = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let length: u64 = parts.iter().map(|(head, range)| head.len() as u64 + range.len()).sum();
        let mut headers = ready.clone();
        headers.insert(header::CONTENT_LENGTH, (length + tail.len() as u64).into());
        let value = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")).expect("digits");
        headers.insert(header::CONTENT_TYPE, value);
        Reply { status: StatusCode::PARTIAL_CONTENT, headers, body: Follows::Parts(parts, tail) }
    }
}

/// RFC 9110 section 15.4.5: what a cache needs to update what it has, and nothing of the body.
fn not_modified(ready: &HeaderMap) -> Reply {
    let mut headers = HeaderMap::new();
    for name in [header::ETAG, header::LAST_MODIFIED, header::CACHE_CONTROL, RELEASE] {
        headers.insert(name.clone(), ready[&name].clone());
    }
    Reply { status: StatusCode::NOT_MODIFIED, headers, body: Follows::Nothing }
}

impl Reply {
    /// The package whose bytes follow, if it is one.
    #[must_use]
    pub const fn wanted_blob(&self, resource: &Resource) -> Option<Sha256Digest> {
        match (&self.body, &resource.content) {
            (Follows::Nothing, _) | (_, Content::Inline(_)) => None,
            (_, Content::Blob(digest)) => Some(*digest),
        }
    }

    fn without_body(status: StatusCode, ready: &HeaderMap) -> Self {
        let mut headers = HeaderMap::new();
        for name in [header::CACHE_CONTROL, header::X_CONTENT_TYPE_OPTIONS, header::ACCEPT_RANGES, RELEASE] {
            headers.insert(name.clone(), ready[&name].clone());
        }
        headers.insert(header::CONTENT_LENGTH, 0.into());
        Self { status, headers, body: Follows::Nothing }
    }
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource() -> Resource {
        let digest = Sha256Digest::of(b"package");
        Resource::package(PackageFormat::Deb, digest, 1000, ReleaseTime::from_unix(1_700_000_000), "7")
    }

    fn reply(method: &Method, fields: &[(HeaderName, &str)]) -> Reply {
        let mut request = HeaderMap::new();
        for (name, value) in fields {
            request.append(name, HeaderValue::from_str(value).expect("visible"));
        }
        resource().reply(method, &request, Lifetime::Current)
    }

    fn render(reply: &Reply) -> String {
        let fields: Vec<String> = reply
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().expect("visible")))
            .collect();
        format!("{}\n{}{:?}", reply.status, fields.concat(), reply.body)
    }

    #[test]
    fn a_plain_get_says_all_that_there_is_to_say() {
        insta::assert_snapshot!(render(&reply(&Method::GET, &[])), @r#"
        200 OK
        content-type: application/vnd.debian.binary-package
        content-length: 1000
        last-modified: Tue, 14 Nov 2023 22:13:20 GMT
        etag: "bc4a71180870f7945155fbb02f4b0a2e3faa2a62d6d31b7039013055ed19869a"
        accept-ranges: bytes
        digest: SHA-256=vEpxGAhw95RRVfuwL0sKLj+qKmLW0xtwOQEwVe0Zhpo=
        repr-digest: sha-256=:vEpxGAhw95RRVfuwL0sKLj+qKmLW0xtwOQEwVe0Zhpo=:
        x-content-type-options: nosniff
        slipway-release: 7
        cache-control: no-cache
        Whole
        "#);
    }

    #[test]
    fn head_has_the_fields_of_get_also_with_a_range() {
        let (get, head) = (reply(&Method::GET, &[]), reply(&Method::HEAD, &[(header::RANGE, "bytes=0-9")]));
        assert_eq!((head.status, &head.headers), (get.status, &get.headers));
        assert_eq!(head.body, Follows::Nothing);
    }

    #[test]
    fn a_part_of_the_file() {
        let part = reply(&Method::GET, &[(header::RANGE, "bytes=10-19")]);
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers[header::CONTENT_RANGE], "bytes 10-19/1000");
        assert_eq!(part.headers[header::CONTENT_LENGTH], "10");
        assert!(matches!(part.body, Follows::Part(range) if (range.start(), range.end()) == (10, 20)));

        let stale = reply(&Method::GET, &[(header::RANGE, "bytes=10-19"), (header::IF_RANGE, "\"other\"")]);
        assert_eq!((stale.status, stale.body), (StatusCode::OK, Follows::Whole));
    }

    #[test]
    fn parts_have_the_length_that_is_announced() {
        let parts = reply(&Method::GET, &[(header::RANGE, "bytes=0-0,10-19")]);
        let Follows::Parts(heads, tail) = &parts.body else { panic!("{parts:?}") };
        let length: u64 = heads.iter().map(|(head, range)| head.len() as u64 + range.len()).sum();
        assert_eq!(parts.headers[header::CONTENT_LENGTH], (length + tail.len() as u64).to_string().as_str());
        assert!(parts.headers[header::CONTENT_TYPE].to_str().expect("visible").starts_with("multipart/byteranges"));
    }

    #[test]
    fn a_range_outside_tells_the_size() {
        let outside = reply(&Method::GET, &[(header::RANGE, "bytes=1000-")]);
        assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(outside.headers[header::CONTENT_RANGE], "bytes */1000");
        assert_eq!(outside.headers[header::CONTENT_LENGTH], "0");
    }

    #[test]
    fn two_range_lines_are_as_good_as_none() {
        let twice = reply(&Method::GET, &[(header::RANGE, "bytes=0-9"), (header::RANGE, "bytes=10-19")]);
        assert_eq!((twice.status, twice.body), (StatusCode::OK, Follows::Whole));
    }

    #[test]
    fn what_is_known_is_not_sent_again() {
        let etag = format!("\"{}\"", Sha256Digest::of(b"package"));
        let known = reply(&Method::GET, &[(header::IF_NONE_MATCH, &etag)]);
        assert_eq!(known.status, StatusCode::NOT_MODIFIED);
        assert_eq!(known.headers[header::ETAG], etag.as_str());
        assert!(
            !known.headers.contains_key(header::CONTENT_LENGTH) && !known.headers.contains_key(header::CONTENT_TYPE)
        );
        assert_eq!(reply(&Method::GET, &[(header::IF_MATCH, "\"other\"")]).status, StatusCode::PRECONDITION_FAILED);
    }
}
