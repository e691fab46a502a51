//! The `Range` field, RFC 9110 section 14.

/// How many parts one answer has at most. Clients of package repositories ask for a handful; each part costs a header.
pub const MAX_PARTS: usize = 16;

/// Bytes from `first` to `last`, both included, so never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRange {
    first: u64,
    last: u64,
}

impl ByteRange {
    /// Everything of a file with `len` bytes, unless it is empty.
    #[must_use]
    pub const fn whole(len: u64) -> Option<Self> {
        match len.checked_sub(1) {
            Some(last) => Some(Self { first: 0, last }),
            None => None,
        }
    }

    /// Where it begins.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.first
    }

    /// The offset after its last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.last + 1
    }

    /// How many bytes it has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(self) -> u64 {
        self.last - self.first + 1
    }

    /// The value of `Content-Range` in a file of `complete` bytes, RFC 9110 section 14.4.
    #[must_use]
    pub fn content_range(self, complete: u64) -> String {
        format!("bytes {}-{}/{complete}", self.first, self.last)
    }
}

/// What a `Range` field asks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The field is to be ignored: another unit, malformed, or more trouble than the whole file.
    Whole,
    /// None of its ranges touches the file.
    Unsatisfiable,
    /// One range, for a plain 206.
    One(ByteRange),
    /// Two or more that do not overlap, for `multipart/byteranges`.
    Several(Vec<ByteRange>),
}

/// Reads the field for a file of `len` bytes. A malformed field is ignored, as section 14.2 permits: a client that gets the
/// whole file is served, one that gets an error is not.
#[must_use]
pub fn parse(field: &str, len: u64) -> Asked {
    let Some((unit, set)) = field.split_once('=') else { return Asked::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let mut satisfiable = Vec::new();
    let mut count = 0;
    // Lists may have empty elements, section 5.6.1.2.
    for spec in set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        count += 1;
        let Some(range) = Spec::parse(spec) else { return Asked::Whole };
        if count > MAX_PARTS {
            return Asked::Whole;
        }
        satisfiable.extend(range.within(len));
    }
    match (count, &satisfiable[..]) {
        (0, _) => Asked::Whole,
        (_, []) => Asked::Unsatisfiable,
        (_, [one]) => Asked::One(*one),
        _ => several(satisfiable, len),
    }
}

/// Overlapping ranges are joined, section 15.3.7.2, so that nobody is sent a byte twice.
fn several(ranges: Vec<ByteRange>, len: u64) -> Asked {
    let mut joined: Vec<ByteRange> = Vec::new();
    let mut sorted = ranges.clone();
    sorted.sort_unstable();
    for range in sorted {
        match joined.last_mut() {
            Some(before) if range.first <= before.last => before.last = before.last.max(range.last),
            _ => joined.push(range),
        }
    }
    match &joined[..] {
        [one] => Asked::One(*one),
        _ if joined.iter().map(|range| range.len()).sum::<u64>() >= len => Asked::Whole,
        // The client's order may be its order of urgency.
        _ if joined.len() == ranges.len() => Asked::Several(ranges),
        _ => Asked::Several(joined),
    }
}

/// One `range-spec`.
enum Spec {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

impl Spec {
    fn parse(spec: &str) -> Option<Self> {
        let (first, last) = spec.split_once('-')?;
        if first.is_empty() {
            return Some(Self::Suffix(number(last)?));
        }
        let first = number(first)?;
        let last = if last.is_empty() { None } else { Some(number(last)?) };
        match last {
            Some(last) if last < first => None,
            _ => Some(Self::From { first, last }),
        }
    }

    fn within(&self, len: u64) -> Option<ByteRange> {
        let end = len.checked_sub(1)?;
        match *self {
            Self::From { first, .. } if first > end => None,
            Self::From { first, last } => Some(ByteRange { first, last: last.unwrap_or(end).min(end) }),
            Self::Suffix(0) => None,
            Self::Suffix(count) => Some(ByteRange { first: len.saturating_sub(count), last: end }),
        }
    }
}

/// `1*DIGIT`. What no file can reach is as good as the largest number.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEN: u64 = 87;

    fn one(first: u64, last: u64) -> Asked {
        Asked::One(ByteRange { first, last })
    }

    #[test]
    fn reads_what_the_rfc_defines() {
        for (field, expected) in [
            ("bytes=0-9", one(0, 9)),
            ("bytes=-5", one(82, 86)),
            ("bytes=80-", one(80, 86)),
            ("bytes=0-9999", one(0, 86)),
            ("bytes=0-99999999999999999999999", one(0, 86)),
            ("bytes=-999999", one(0, 86)),
            ("bytes= 0-9", one(0, 9)),
            ("Bytes=0-9", one(0, 9)),
            ("bytes=,0-9 ,\t", one(0, 9)),
            ("bytes=0-0,9999-", one(0, 0)),
            ("bytes=0-9,5-20", one(0, 20)),
            ("bytes=9999-", Asked::Unsatisfiable),
            ("bytes=87-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-2", Asked::Whole),
            ("bytes=abc", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=1-2-3", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes =0-1", Asked::Whole),
            ("bytes=0-1,x", Asked::Whole),
            // Together they are the whole file.
            ("bytes=0-40,41-86", Asked::Whole),
        ] {
            assert_eq!(parse(field, LEN), expected, "{field}");
        }
    }

    #[test]
    fn keeps_the_clients_order_and_joins_what_overlaps() {
        let range = |first, last| ByteRange { first, last };
        assert_eq!(parse("bytes=10-11,0-1", LEN), Asked::Several(vec![range(10, 11), range(0, 1)]));
        assert_eq!(parse("bytes=10-14,0-1,12-20", LEN), Asked::Several(vec![range(0, 1), range(10, 20)]));
    }

    #[test]
    fn too_many_ranges_get_the_whole_file() {
        let ranges = |count: usize| {
            let specs: Vec<_> = (0..count).map(|index| format!("{0}-{0}", index * 2)).collect();
            format!("bytes={}", specs.join(","))
        };
        assert!(matches!(parse(&ranges(MAX_PARTS), LEN), Asked::Several(parts) if parts.len() == MAX_PARTS));
        assert_eq!(parse(&ranges(MAX_PARTS + 1), LEN), Asked::Whole);
    }

    #[test]
    fn nothing_of_an_empty_file_can_be_had() {
        assert_eq!(parse("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=-1", 0), Asked::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn parts_are_within_the_file_and_disjoint(field in "bytes=[0-9, -]{0,60}|[ -~]{0,40}", len in 0..200u64) {
            let parts = match parse(&field, len) {
                Asked::Whole | Asked::Unsatisfiable => vec![],
                Asked::One(part) => vec![part],
                Asked::Several(parts) => {
                    prop_assert!((2..=MAX_PARTS).contains(&parts.len()));
                    parts
                }
            };
            let mut sorted = parts;
            sorted.sort_unstable();
            for part in &sorted {
                prop_assert!(part.first <= part.last && part.last < len, "{part:?} of {len}");
            }
            prop_assert!(sorted.windows(2).all(|pair| pair[0].last < pair[1].first), "{sorted:?}");
        }
    }
}
