//! RFC 9110 section 13, by its table.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};

/// What the preconditions of GET or HEAD lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// 200, or 206 if the flag is set and there is a range.
    Goes {
        /// Whether `Range` is to be heeded.
        range: bool,
    },
    /// 304.
    Known,
    /// 412.
    Fails,
}

/// Section 13.2.2, step by step. `etag` with its quotes.
#[must_use]
pub fn model(fields: &HeaderMap, etag: &str, modified: SystemTime) -> Model {
    let date = |name: &HeaderName| match values(fields, name)[..] {
        [value] => value.and_then(|value| httpdate::parse_http_date(value).ok()),
        _ => None,
    };
    // Step 1 and 2.
    if fields.contains_key(header::IF_MATCH) {
        if !any_tag(fields, &header::IF_MATCH, |weak, tag| !weak && tag == etag) {
            return Model::Fails;
        }
    } else if let Some(date) = date(&header::IF_UNMODIFIED_SINCE)
        && date < modified
    {
        return Model::Fails;
    }
    // Step 3 and 4.
    if fields.contains_key(header::IF_NONE_MATCH) {
        if any_tag(fields, &header::IF_NONE_MATCH, |_, tag| tag == etag) {
            return Model::Known;
        }
    } else if let Some(date) = date(&header::IF_MODIFIED_SINCE)
        && date >= modified
    {
        return Model::Known;
    }
    // Step 5.
    let range = match values(fields, &header::IF_RANGE)[..] {
        [] => true,
        [Some(value)] => value == etag || httpdate::parse_http_date(value).is_ok_and(|date| date == modified),
        _ => false,
    };
    Model::Goes { range }
}

fn values<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Vec<Option<&'a str>> {
    fields.get_all(name).iter().map(|value| value.to_str().ok()).collect()
}

/// `*` stands for any state; lists are read up to the first element that is none.
fn any_tag(fields: &HeaderMap, name: &HeaderName, is_it: impl Fn(bool, &str) -> bool) -> bool {
    values(fields, name).into_iter().flatten().any(|list| list.trim() == "*" || has_tag(list, &is_it))
}

fn has_tag(list: &str, is_it: &impl Fn(bool, &str) -> bool) -> bool {
    let bytes = list.as_bytes();
    let mut at = 0;
    loop {
        while at < bytes.len() && b" \t,".contains(&bytes[at]) {
            at += 1;
        }
        let weak = bytes[at..].starts_with(b"W/");
        let open = if weak { at + 2 } else { at };
        if bytes.get(open) != Some(&b'"') {
            return false;
        }
        let Some(length) = bytes[open + 1..].iter().position(|byte| *byte == b'"') else { return false };
        let after = open + length + 2;
        if is_it(weak, &list[open..after]) {
            return true;
        }
        at = after;
    }
}
