//! The header structure of RPM packages: an index of tagged values and a store of their data.

use std::collections::BTreeMap;

const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
const INTRO: usize = 16;
const RECORD: usize = 16;
/// Bounds against damage; rpm's own are 65535 entries and 256 MiB.
const MAX_ENTRIES: usize = 4096;
const MAX_STORE: usize = 64 << 20;
/// Tags below are regions: they tell which part of a header is covered by its digest, and are made anew.
const FIRST_TAG: u32 = 100;

/// Bytes that are no RPM header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The magic, the sizes, a record or a value is wrong.
    #[error("the header has a bad {0}")]
    Bad(&'static str),
    /// A value's data.
    #[error("the header has a bad value for tag {0}")]
    Value(u32),
    /// A value that must be there is not, or has another type.
    #[error("the header has no {0}")]
    Missing(&'static str),
}

/// A value. Strings are UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Bytes8(u32, Vec<u8>),
    Int16(Vec<u16>),
    Int32(Vec<u32>),
    Int64(Vec<u64>),
    Text(String),
    Texts(Vec<String>),
    I18n(Vec<String>),
}

impl Value {
    fn type_id(&self) -> u32 {
        match self {
            Self::Bytes8(type_id, _) => *type_id,
            Self::Int16(_) => 3,
            Self::Int32(_) => 4,
            Self::Int64(_) => 5,
            Self::Text(_) => 6,
            Self::Texts(_) => 8,
            Self::I18n(_) => 9,
        }
    }

    fn alignment(&self) -> usize {
        match self {
            Self::Int16(_) => 2,
            Self::Int32(_) => 4,
            Self::Int64(_) => 8,
            _ => 1,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Bytes8(_, data) => data.len(),
            Self::Int16(data) => data.len(),
            Self::Int32(data) => data.len(),
            Self::Int64(data) => data.len(),
            Self::Text(_) => 1,
            Self::Texts(data) | Self::I18n(data) => data.len(),
        }
    }

    fn append(&self, store: &mut Vec<u8>) {
        match self {
            Self::Bytes8(_, data) => store.extend(data),
            Self::Int16(data) => store.extend(data.iter().flat_map(|number| number.to_be_bytes())),
            Self::Int32(data) => store.extend(data.iter().flat_map(|number| number.to_be_bytes())),
            Self::Int64(data) => store.extend(data.iter().flat_map(|number| number.to_be_bytes())),
            Self::Text(text) => store.extend(text.bytes().chain([0])),
            Self::Texts(texts) | Self::I18n(texts) => {
                store.extend(texts.iter().flat_map(|text| text.bytes().chain([0])));
            }
        }
    }

    fn parse(type_id: u32, count: usize, data: &[u8]) -> Option<Self> {
        let numbers = |width: usize| data.get(..count.checked_mul(width)?);
        Some(match type_id {
            1 | 2 | 7 => Self::Bytes8(type_id, numbers(1)?.to_vec()),
            3 => Self::Int16(numbers(2)?.as_chunks().0.iter().map(|bytes| u16::from_be_bytes(*bytes)).collect()),
            4 => Self::Int32(numbers(4)?.as_chunks().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect()),
            5 => Self::Int64(numbers(8)?.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect()),
            6 if count == 1 => Self::Text(texts(data, 1)?.pop()?),
            8 => Self::Texts(texts(data, count)?),
            9 => Self::I18n(texts(data, count)?),
            _ => return None,
        })
    }
}

/// `count` strings, each ended by a NUL.
fn texts(mut data: &[u8], count: usize) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for _ in 0..count {
        let end = data.iter().position(|byte| *byte == 0)?;
        texts.push(str::from_utf8(&data[..end]).ok()?.to_owned());
        data = &data[end + 1..];
    }
    Some(texts)
}

/// All values of a header but its region, by tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Header(BTreeMap<u32, Value>);

impl Header {
    /// Reads the header at the start of `bytes`, and tells its length.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, usize), HeaderError> {
        let (intro, rest) = bytes.split_first_chunk::<INTRO>().ok_or(HeaderError::Bad("length"))?;
        if intro[..8] != MAGIC {
            return Err(HeaderError::Bad("magic"));
        }
        let number = |at: usize| {
            let bytes = rest_of(intro, at);
            usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (count, store_size) = (number(8), number(12));
        if count > MAX_ENTRIES || store_size > MAX_STORE {
            return Err(HeaderError::Bad("size"));
        }
        let (index, rest) = rest.split_at_checked(count * RECORD).ok_or(HeaderError::Bad("length"))?;
        let store = rest.get(..store_size).ok_or(HeaderError::Bad("length"))?;
        let mut values = BTreeMap::new();
        for record in index.as_chunks::<RECORD>().0 {
            let [tag, type_id, offset, count] = [0, 4, 8, 12].map(|at| u32::from_be_bytes(rest_of(record, at)));
            if tag < FIRST_TAG {
                continue;
            }
            let data = usize::try_from(offset).ok().and_then(|offset| store.get(offset..));
            let value = data
                .zip(usize::try_from(count).ok())
                .and_then(|(data, count)| Value::parse(type_id, count, data))
                .ok_or(HeaderError::Value(tag))?;
            if values.insert(tag, value).is_some() {
                return Err(HeaderError::Value(tag));
            }
        }
        Ok((Self(values), INTRO + count * RECORD + store_size))
    }

    /// The header's bytes, with a region `region_tag` that covers all of it.
    pub(crate) fn build(&self, region_tag: u32) -> Vec<u8> {
        let number = |number: usize| u32::try_from(number).expect("a header is far below 4 GiB").to_be_bytes();
        let (mut index, mut store) = (Vec::new(), Vec::new());
        for (tag, value) in &self.0 {
            store.resize(usize::next_multiple_of(store.len(), value.alignment()), 0);
            index.extend([
                tag.to_be_bytes(),
                value.type_id().to_be_bytes(),
                number(store.len()),
                number(value.count()),
            ]);
            value.append(&mut store);
        }
        let records = self.0.len() + 1;
        let region = [region_tag.to_be_bytes(), 7u32.to_be_bytes(), number(store.len()), number(RECORD)];
        // The trailer at the end of the store repeats the record, pointing back over the whole index.
        let back = 0u32.wrapping_sub(u32::from_be_bytes(number(records * RECORD)));
        let trailer = [region[0], region[1], back.to_be_bytes(), region[3]];
        store.extend(trailer.as_flattened());
        let mut bytes = MAGIC.to_vec();
        bytes.extend([number(records), number(store.len())].as_flattened());
        bytes.extend(region.as_flattened());
        bytes.extend(index.as_flattened());
        bytes.extend(store);
        bytes
    }

    pub(crate) fn get(&self, tag: u32) -> Option<&Value> {
        self.0.get(&tag)
    }

    pub(crate) fn set(&mut self, tag: u32, value: Value) {
        self.0.insert(tag, value);
    }

    pub(crate) fn remove(&mut self, tag: u32) {
        self.0.remove(&tag);
    }

    /// A string, or the first of several.
    pub(crate) fn text(&self, tag: u32) -> Option<&str> {
        match self.0.get(&tag)? {
            Value::Text(text) => Some(text),
            Value::Texts(texts) | Value::I18n(texts) => texts.first().map(String::as_str),
            _ => None,
        }
    }

    /// Strings; empty if the tag is absent.
    pub(crate) fn texts(&self, tag: u32) -> &[String] {
        match self.0.get(&tag) {
            Some(Value::Text(text)) => std::slice::from_ref(text),
            Some(Value::Texts(texts) | Value::I18n(texts)) => texts,
            _ => &[],
        }
    }

    /// Numbers of 16 or 32 bits, widened; empty if the tag is absent.
    pub(crate) fn numbers(&self, tag: u32) -> Vec<u32> {
        match self.0.get(&tag) {
            Some(Value::Int16(numbers)) => numbers.iter().copied().map(u32::from).collect(),
            Some(Value::Int32(numbers)) => numbers.clone(),
            _ => Vec::new(),
        }
    }

    /// A single number.
    pub(crate) fn number(&self, tag: u32) -> Option<u32> {
        self.numbers(tag).first().copied()
    }
}

fn rest_of(bytes: &[u8; INTRO], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = Value> {
        let texts = prop::collection::vec("[^\0]{0,5}", 1..4);
        prop_oneof![
            any::<Vec<u8>>().prop_map(|data| Value::Bytes8(7, data)),
            any::<Vec<u16>>().prop_map(Value::Int16),
            any::<Vec<u32>>().prop_map(Value::Int32),
            any::<Vec<u64>>().prop_map(Value::Int64),
            "[^\0]{0,5}".prop_map(Value::Text),
            texts.clone().prop_map(Value::Texts),
            texts.prop_map(Value::I18n),
        ]
    }

    fn header() -> impl Strategy<Value = Header> {
        prop::collection::btree_map(100u32..9999, value(), 0..9).prop_map(Header)
    }

    proptest! {
        #[test]
        fn headers_round_trip(header in header(), after: Vec<u8>) {
            let mut bytes = header.build(63);
            let len = bytes.len();
            bytes.extend(after);
            let (read, end) = Header::parse(&bytes).expect("the header is good");
            prop_assert_eq!((read, end), (header, len));
        }

        #[test]
        fn mutated_headers_never_panic(header in header(), flips: Vec<(prop::sample::Index, u8)>, cut: prop::sample::Index) {
            let good = header.build(63);
            let mut bytes = good.clone();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = Header::parse(&bytes);
            prop_assert!(Header::parse(&good[..cut.index(good.len())]).is_err());
        }
    }
}
