//! Lines of fields: the first byte of each names one of those that change an answer, the rest is its value. Whatever they
//! are, the status is the model's, and head and body of the answer agree with each other.

#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use artifact::{PackageFormat, ReleaseTime, Sha256Digest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use libfuzzer_sys::fuzz_target;
use slipway_fuzz::{
    catalog::{Follows, Lifetime, Reply, Resource},
    http::{Asked, parse},
    model::{
        condition::{self, Model},
        range,
    },
};

const SIZE: u64 = 200;
/// Tue, 14 Nov 2023 22:13:20 GMT
const MODIFIED: u32 = 1_700_000_000;

const NAMES: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

static FILE: LazyLock<Resource> = LazyLock::new(|| {
    let modified = ReleaseTime::from_unix(MODIFIED);
    Resource::package(PackageFormat::Deb, Sha256Digest::of(b"package"), SIZE, modified, "7")
});

fn fields(lines: &[u8]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some((name, value)) = line.split_first() else { continue };
        // As a connection gives it: without space at the ends.
        if let Ok(value) = HeaderValue::from_bytes(value.trim_ascii()) {
            fields.append(NAMES[usize::from(*name) % NAMES.len()].clone(), value);
        }
    }
    fields
}

fn length(reply: &Reply) -> Option<u64> {
    Some(reply.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().expect("a number"))
}

/// What follows the head, in bytes.
fn body(reply: &Reply) -> u64 {
    match &reply.body {
        Follows::Nothing => 0,
        Follows::Whole => SIZE,
        Follows::Part(range) => {
            assert_eq!(reply.headers[header::CONTENT_RANGE], range.content_range(SIZE).as_str());
            assert!(range.start() < range.end() && range.end() <= SIZE);
            range.len()
        }
        Follows::Parts(parts, tail) => {
            assert!(!reply.headers.contains_key(header::CONTENT_RANGE));
            let parts = parts.iter().map(|(head, range)| {
                let said = format!("\r\nContent-Range: {}\r\n\r\n", range.content_range(SIZE));
                assert!(head.ends_with(said.as_bytes()) && range.end() <= SIZE);
                head.len() as u64 + range.len()
            });
            parts.sum::<u64>() + tail.len() as u64
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((method, lines)) = data.split_first() else { return };
    let method = if method.is_multiple_of(4) { Method::HEAD } else { Method::GET };
    let fields = fields(lines);
    let reply = FILE.reply(&method, &fields, Lifetime::Current);

    let etag = format!("\"{}\"", Sha256Digest::of(b"package"));
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED.into());
    let mut ranges = fields.get_all(header::RANGE).iter();
    // Two lines are as good as none.
    let only = ranges.next().filter(|_| ranges.next().is_none());
    let asked = only.and_then(|value| value.to_str().ok());
    let status = match condition::model(&fields, &etag, modified) {
        Model::Fails => StatusCode::PRECONDITION_FAILED,
        Model::Known => StatusCode::NOT_MODIFIED,
        Model::Goes { range: true } if method == Method::GET => match asked.map(|field| (field, parse(field, SIZE))) {
            Some((field, asked)) => {
                range::compare(field, SIZE, &asked);
                match asked {
                    Asked::Whole => StatusCode::OK,
                    Asked::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
                    _ => StatusCode::PARTIAL_CONTENT,
                }
            }
            None => StatusCode::OK,
        },
        Model::Goes { .. } => StatusCode::OK,
    };
    assert_eq!(reply.status, status, "{method} {fields:?}");

    let body = body(&reply);
    let expected = match (status, &method) {
        // Only that it is the same as before.
        (StatusCode::NOT_MODIFIED, _) => None,
        // The length that GET would have.
        (StatusCode::OK, _) => Some(SIZE),
        _ => Some(body),
    };
    assert_eq!(length(&reply), expected, "{method} {fields:?}");
    assert!(method == Method::GET || reply.body == Follows::Nothing, "{fields:?}");
    assert!(body > 0 || !status.is_success() || method == Method::HEAD, "{fields:?}");
    let unsatisfiable = format!("bytes */{SIZE}");
    assert!(
        status != StatusCode::RANGE_NOT_SATISFIABLE || reply.headers[header::CONTENT_RANGE] == unsatisfiable.as_str()
    );
    if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        assert_eq!(reply.headers[header::ETAG], etag.as_str());
    }
});
