//! Conditional requests, RFC 9110 section 13, for GET and HEAD.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};

/// What tells one state of a resource from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// A strong entity tag with its quotes.
    pub etag: String,
    /// In whole seconds, as HTTP dates are.
    pub modified: SystemTime,
}

impl Validators {
    /// `modified` in seconds since 1970.
    #[must_use]
    pub fn new(etag: &str, modified: u64) -> Self {
        Self { etag: format!("\"{etag}\""), modified: SystemTime::UNIX_EPOCH + Duration::from_secs(modified) }
    }
}

/// Where the preconditions of a request lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none; `Range` counts if the flag says so.
    Proceed {
        /// Whether `If-Range`, if there is one, holds.
        range: bool,
    },
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates all preconditions in the order of section 13.2.2.
#[must_use]
pub fn evaluate(headers: &HeaderMap, current: &Validators) -> Verdict {
    if headers.contains_key(header::IF_MATCH) {
        if !names(headers, &header::IF_MATCH, current, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if date(headers, &header::IF_UNMODIFIED_SINCE).is_some_and(|since| current.modified > since) {
        return Verdict::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if names(headers, &header::IF_NONE_MATCH, current, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if date(headers, &header::IF_MODIFIED_SINCE).is_some_and(|since| current.modified <= since) {
        return Verdict::NotModified;
    }
    Verdict::Proceed { range: may_range(headers, current) }
}

/// `If-Range`, section 13.1.5: a strong tag, or exactly the date that was sent as `Last-Modified`.
fn may_range(headers: &HeaderMap, current: &Validators) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => value.to_str().is_ok_and(|value| {
            value == current.etag || httpdate::parse_http_date(value).is_ok_and(|date| date == current.modified)
        }),
        (Some(_), Some(_)) => false,
    }
}

/// A field with a date; one that is malformed, or there twice, is ignored.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// Section 8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags names the current one. Our own tags are strong, so only the client's may be weak.
fn names(headers: &HeaderMap, name: &HeaderName, current: &Validators, comparison: Comparison) -> bool {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.trim() == "*"
            || tags(list).any(|(weak, tag)| tag == current.etag && (comparison == Comparison::Weak || !weak))
    })
}

/// The tags of a list, with their quotes; reading ends at the first malformed one. A tag may hold commas.
fn tags(list: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (weak, opaque) = match rest.strip_prefix("W/") {
            Some(opaque) => (true, opaque),
            None => (false, rest),
        };
        let close = opaque.strip_prefix('"')?.find('"')? + 2;
        let (tag, after) = opaque.split_at(close);
        rest = after;
        Some((weak, tag))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const EARLIER: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
    const LATER: &str = "Tuesday, 14-Nov-23 22:13:21 GMT";

    fn verdict(fields: &[(HeaderName, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).expect("visible"));
        }
        evaluate(&headers, &Validators::new("abc", 1_700_000_000))
    }

    const GO: Verdict = Verdict::Proceed { range: true };
    const WITHOUT_RANGE: Verdict = Verdict::Proceed { range: false };

    #[test]
    fn single_fields() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
        for (name, value, expected) in [
            (IF_MATCH, "\"abc\"", GO),
            (IF_MATCH, "*", GO),
            (IF_MATCH, "\"x,y\", \"abc\"", GO),
            (IF_MATCH, "\"x\"", Verdict::Failed),
            (IF_MATCH, "W/\"abc\"", Verdict::Failed),
            (IF_MATCH, "abc", Verdict::Failed),
            (IF_NONE_MATCH, "\"abc\"", Verdict::NotModified),
            (IF_NONE_MATCH, "W/\"abc\"", Verdict::NotModified),
            (IF_NONE_MATCH, "\"x\" , \"abc\"", Verdict::NotModified),
            (IF_NONE_MATCH, "*", Verdict::NotModified),
            (IF_NONE_MATCH, "\"x\"", GO),
            (IF_NONE_MATCH, "\"ab", GO),
            (IF_MODIFIED_SINCE, DATE, Verdict::NotModified),
            (IF_MODIFIED_SINCE, LATER, Verdict::NotModified),
            (IF_MODIFIED_SINCE, EARLIER, GO),
            (IF_MODIFIED_SINCE, "yesterday", GO),
            (IF_UNMODIFIED_SINCE, DATE, GO),
            (IF_UNMODIFIED_SINCE, EARLIER, Verdict::Failed),
            (IF_UNMODIFIED_SINCE, "yesterday", GO),
            (IF_RANGE, "\"abc\"", GO),
            (IF_RANGE, "W/\"abc\"", WITHOUT_RANGE),
            (IF_RANGE, "\"x\"", WITHOUT_RANGE),
            (IF_RANGE, DATE, GO),
            (IF_RANGE, EARLIER, WITHOUT_RANGE),
            (IF_RANGE, LATER, WITHOUT_RANGE),
        ] {
            assert_eq!(verdict(&[(name.clone(), value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn tags_go_before_dates_and_matching_before_modification() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        assert_eq!(verdict(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, DATE)]), GO);
        assert_eq!(verdict(&[(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, EARLIER)]), GO);
        assert_eq!(verdict(&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")]), Verdict::Failed);
    }

    #[test]
    fn fields_on_several_lines_count_together() {
        use header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
        assert_eq!(verdict(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"abc\"")]), Verdict::NotModified);
        assert_eq!(verdict(&[(IF_MODIFIED_SINCE, DATE), (IF_MODIFIED_SINCE, DATE)]), GO);
    }
}
