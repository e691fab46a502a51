//! The level in the head of a line of JSON.

use super::level::Level;

/// The value of the outermost object's `level`, or `severity` as Stackdriver's format has it. The text may end anywhere.
pub(super) fn level(text: &[u8]) -> Option<Level> {
    let mut depth = 0_u32;
    let mut named = Named::Other;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => {
                let string = string(&text[at..])?;
                at += string.len() + 1;
                if depth != 1 {
                    continue;
                }
                if named == Named::Level {
                    return Level::from_word(string);
                }
                named = if is_level(string) { Named::Key } else { Named::Other };
            }
            b':' if depth == 1 && named == Named::Key => named = Named::Level,
            b',' if depth == 1 => named = Named::Other,
            _ => {}
        }
    }
    None
}

/// What the last string was.
#[derive(PartialEq, Eq)]
enum Named {
    Other,
    /// The word, which is a key if a colon follows.
    Key,
    /// The key, with its colon.
    Level,
}

fn is_level(string: &[u8]) -> bool {
    string.eq_ignore_ascii_case(b"level") || string.eq_ignore_ascii_case(b"severity")
}

/// Up to the quote that ends it, with its escapes.
fn string(text: &[u8]) -> Option<&[u8]> {
    let mut from = 0;
    loop {
        let end = from + memchr::memchr2(b'"', b'\\', &text[from..])?;
        if text[end] == b'"' {
            return Some(&text[..end]);
        }
        from = end + 2;
        if from > text.len() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_outermost_key_alone() {
        for (text, found) in [
            (r#"{"level":"warn"}"#, Some(Level::Warning)),
            (r#"{ "a" : [ "level", {"level":"debug"} ] , "level" : "info" }"#, Some(Level::Info)),
            (r#"{"Level":"ERROR""#, Some(Level::Error)),
            (r#"{"a":"level","b":"error"}"#, None),
            (r#"{"a":"\\","level":"error"}"#, Some(Level::Error)),
            (r#"{"a":"\"","level":"error"}"#, Some(Level::Error)),
            (r#"{"level":["error"]}"#, None),
            (r#"{"level":null,"a":"error"}"#, None),
            (r#"{"level":"err"#, None),
            (r#"{"level":""#, None),
            (r#"{"level\"#, None),
            (r#"}"level":"error""#, None),
        ] {
            assert_eq!(level(text.as_bytes()), found, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_looked_at(text in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b':'), any::<u8>()], 0..64)) {
            let _ = level(&text);
        }
    }
}
