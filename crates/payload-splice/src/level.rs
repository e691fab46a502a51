use std::{fmt, str::FromStr};

/// How hard xz tries: 0 (fast) to 9 (small). Levels 1 to 9 are xz's presets, level 0 is tuned (see `codec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Level(u8);

impl Level {
    /// The default.
    pub const FASTEST: Self = Self(0);

    /// Checks that `level` is at most 9.
    pub fn new(level: u8) -> Result<Self, LevelError> {
        if level <= 9 { Ok(Self(level)) } else { Err(LevelError(level.to_string())) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Text that is no [`Level`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid compression level `{0}`: expected 0 to 9")]
pub struct LevelError(String);

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            [digit @ b'0'..=b'9'] => Ok(Self(digit - b'0')),
            _ => Err(LevelError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;
    use proptest::prelude::*;

    #[test]
    fn defaults_to_the_fast_level() {
        assert_eq!(Level::default(), Level::new(0).expect("0 is a level"));
    }

    proptest! {
        #[test]
        fn text_is_one_digit_and_round_trips(number: u8) {
            prop_assert_eq!(Level::new(number).ok(), number.to_string().parse::<Level>().ok());
            prop_assert_eq!(Level::new(number).is_ok(), number <= 9);
        }

        #[test]
        fn rejects_other_text(text in "[^0-9].*|[0-9]{2,}|") {
            prop_assert!(text.parse::<Level>().is_err());
        }
    }
}
