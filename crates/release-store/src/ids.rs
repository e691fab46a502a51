use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Serialize};

/// The place of a generation in a store's history: 1, 2, 3 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationNumber(NonZeroU64);

impl GenerationNumber {
    /// The first of every store.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// `None` for 0.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// As a plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The one that a publish behind this one creates. The last number is never reached.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for GenerationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is no [`GenerationNumber`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid generation `{0}`: expected a whole number from 1, without sign or leading zeros")]
pub struct GenerationNumberError(String);

impl FromStr for GenerationNumber {
    type Err = GenerationNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|_| plain).map(Self).ok_or_else(|| GenerationNumberError(text.to_owned()))
    }
}

/// What tells one publish from every other: 128 random bits, as 32 lower-case hexadecimal digits.
///
/// A store's client repeats requests, so "already exists" may be one's own write; this settles whose it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublishId(u128);

impl PublishId {
    /// A new one. Waits for the system's random numbers, which is only long in the first second after a boot.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        let mut filled = 0;
        while filled < bytes.len() {
            match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => unreachable!("the system has random numbers: {error}"),
            }
        }
        Self(u128::from_be_bytes(bytes))
    }

    /// A number that differs from id to id and from turn to turn.
    pub(crate) fn spread(self, turn: usize) -> u64 {
        let digits = self.0.to_be_bytes();
        let chosen: [u8; 4] = std::array::from_fn(|index| digits[(4 * turn + index) % digits.len()]);
        u32::from_be_bytes(chosen).into()
    }
}

impl fmt::Display for PublishId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Text that is no [`PublishId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid publish id `{0}`: expected 32 lower-case hexadecimal digits")]
pub struct PublishIdError(String);

impl FromStr for PublishId {
    type Err = PublishIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| hex).map(Self).ok_or_else(|| PublishIdError(text.to_owned()))
    }
}

impl Serialize for PublishId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublishId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rejects_what_other_programs_would_read_as_another_number() {
        for text in ["", "0", "01", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"] {
            assert!(text.parse::<GenerationNumber>().is_err(), "{text}");
        }
    }

    #[test]
    fn rejects_publish_ids_in_another_form() {
        let id = PublishId::random().to_string();
        for text in ["", &id[1..], &format!("{id}0"), "+0000000000000000000000000000000", &"A".repeat(32)] {
            assert!(text.parse::<PublishId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(number in 1u64.., id: u128) {
            let number = GenerationNumber::new(number).expect("not 0");
            prop_assert_eq!(number.to_string().parse::<GenerationNumber>(), Ok(number));
            prop_assert_eq!(PublishId(id).to_string().parse::<PublishId>(), Ok(PublishId(id)));
        }
    }
}
