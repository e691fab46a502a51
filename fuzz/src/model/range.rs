//! RFC 9110 section 14, byte by byte.

use crate::http::{Asked, ByteRange, MAX_PARTS};

/// What a field asks of a small file.
#[derive(Debug, PartialEq, Eq)]
pub enum Model {
    /// Nothing that is to be heeded.
    Ignored,
    /// Nothing that the file has.
    Unsatisfiable,
    /// These stretches, first and last byte, in the field's order.
    Stretches(Vec<(u64, u64)>),
}

/// Reads the field for a file of `len` bytes.
#[must_use]
pub fn model(field: &str, len: u64) -> Model {
    let field = field.as_bytes();
    let Some(equals) = field.iter().position(|byte| *byte == b'=') else { return Model::Ignored };
    if !field[..equals].eq_ignore_ascii_case(b"bytes") {
        return Model::Ignored;
    }
    let (mut specs, mut stretches) = (0, Vec::new());
    for spec in field[equals + 1..].split(|byte| *byte == b',') {
        let spec: &[u8] = trimmed(spec);
        if spec.is_empty() {
            continue;
        }
        specs += 1;
        let Some(dash) = spec.iter().position(|byte| *byte == b'-') else { return Model::Ignored };
        let (Ok(first), Ok(last)) = (digits(&spec[..dash]), digits(&spec[dash + 1..])) else {
            return Model::Ignored;
        };
        let (from, to) = match (first, last) {
            (None, None) => return Model::Ignored,
            (Some(first), Some(last)) if last < first => return Model::Ignored,
            (Some(first), Some(last)) => (first, last + 1),
            (Some(first), None) => (first, len.into()),
            (None, Some(count)) => (u128::from(len).saturating_sub(count), len.into()),
        };
        let to = to.min(len.into());
        if from < to {
            let small = |offset: u128| u64::try_from(offset).expect("within the file");
            stretches.push((small(from), small(to - 1)));
        }
    }
    match (specs, stretches.len()) {
        (0, _) => Model::Ignored,
        (specs, _) if specs > MAX_PARTS => Model::Ignored,
        (_, 0) => Model::Unsatisfiable,
        _ => Model::Stretches(stretches),
    }
}

fn trimmed(mut spec: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = spec {
        spec = rest;
    }
    spec
}

struct NoNumber;

/// Nothing for no digits at all. No file reaches 64 bits.
fn digits(text: &[u8]) -> Result<Option<u128>, NoNumber> {
    let mut number = None;
    for byte in text {
        if !byte.is_ascii_digit() {
            return Err(NoNumber);
        }
        let next = number.unwrap_or(0_u128) * 10 + u128::from(byte - b'0');
        number = Some(next.min(u64::MAX.into()));
    }
    Ok(number)
}

/// Panics where the code's reading of the field is not the model's.
pub fn compare(field: &str, len: u64, asked: &Asked) {
    let wanted = match model(field, len) {
        Model::Ignored => return assert_eq!(*asked, Asked::Whole, "{field:?} of {len}"),
        Model::Unsatisfiable => return assert_eq!(*asked, Asked::Unsatisfiable, "{field:?} of {len}"),
        Model::Stretches(wanted) => wanted,
    };
    let bitmap = |stretches: &[(u64, u64)]| -> Vec<bool> {
        (0..len).map(|offset| stretches.iter().any(|(first, last)| (*first..=*last).contains(&offset))).collect()
    };
    let given: Vec<(u64, u64)> = match asked {
        Asked::Unsatisfiable => panic!("{field:?} of {len} can be satisfied"),
        Asked::Whole => {
            assert!(wanted.len() > 1 && bitmap(&wanted).iter().all(|wanted| *wanted), "{field:?} of {len} is a part");
            return;
        }
        Asked::One(range) => vec![bounds(*range)],
        Asked::Several(ranges) => {
            assert!((2..=MAX_PARTS).contains(&ranges.len()), "{field:?} of {len}: {ranges:?}");
            ranges.iter().copied().map(bounds).collect()
        }
    };
    // Every byte that was asked for, no other, and none twice.
    assert_eq!(bitmap(&given), bitmap(&wanted), "{field:?} of {len}: {given:?}");
    let bytes: u64 = given.iter().map(|(first, last)| last - first + 1).sum();
    assert_eq!(bytes, bitmap(&given).iter().map(|given| u64::from(*given)).sum::<u64>(), "{field:?} of {len}");
    let overlap = wanted
        .iter()
        .enumerate()
        .any(|(index, one)| wanted[index + 1..].iter().any(|other| one.0 <= other.1 && other.0 <= one.1));
    assert!(overlap || given == wanted, "{field:?} of {len}: the order of {given:?}");
}

fn bounds(range: ByteRange) -> (u64, u64) {
    (range.start(), range.end() - 1)
}

/// What holds for files of any length.
pub fn is_inside(len: u64, asked: &Asked) {
    let ranges = match asked {
        Asked::Whole | Asked::Unsatisfiable => return,
        Asked::One(range) => vec![*range],
        Asked::Several(ranges) => ranges.clone(),
    };
    let mut sorted: Vec<(u64, u64)> = ranges.iter().copied().map(bounds).collect();
    sorted.sort_unstable();
    assert!(sorted.iter().all(|(first, last)| first <= last && *last < len), "{asked:?} of {len}");
    assert!(sorted.windows(2).all(|pair| pair[0].1 < pair[1].0), "{asked:?} of {len}");
    for range in ranges {
        assert_eq!(range.content_range(len), format!("bytes {}-{}/{len}", range.start(), range.end() - 1));
    }
}
