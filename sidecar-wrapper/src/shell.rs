//! Words as a shell reads them, that a terminal does not obey.

use std::{ffi::OsStr, fmt::Write, os::unix::ffi::OsStrExt};

/// Quotes a word where it has to be.
pub(crate) fn quote(word: &OsStr) -> String {
    match word.to_str() {
        Some(text) if is_plain(text) => text.to_owned(),
        Some(text) if !text.contains(is_obeyed) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => escape(word.as_bytes()),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('=')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c))
}

fn is_obeyed(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

/// `$'...'` of POSIX.1-2024, 2.2.4.
fn escape(bytes: &[u8]) -> String {
    let mut quoted = String::from("$'");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => quoted.extend(['\\', c]),
                c if is_obeyed(c) => octal(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut quoted),
                c => quoted.push(c),
            }
        }
        octal(chunk.invalid(), &mut quoted);
    }
    quoted.push('\'');
    quoted
}

/// Three digits each: unlike `\x`, that ends where the next character could be a digit.
fn octal(bytes: &[u8], quoted: &mut String) {
    for byte in bytes {
        write!(quoted, "\\{byte:03o}").expect("a String takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::quote;
    use proptest::prelude::*;
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::Command};

    #[test]
    fn quotes_only_what_has_to_be() {
        for (word, quoted) in [
            (&b"--profiling=false"[..], "--profiling=false"),
            (b"istiod.istio-system.svc:15012", "istiod.istio-system.svc:15012"),
            (b"", "''"),
            (b"=x", "'=x'"),
            (b"it's", r"'it'\''s'"),
            (b"a\nb", "'a\nb'"),
            (b"\x1b[2J'1", r"$'\033[2J\'1'"),
            (b"\xff1", r"$'\3771'"),
            ("\u{9b}é".as_bytes(), r"$'\302\233é'"),
        ] {
            assert_eq!(quote(OsStr::from_bytes(word)), quoted);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

        #[test]
        fn a_shell_reads_the_word_again(word in prop::collection::vec(1_u8.., 0..20)) {
            let script = format!("printf %s {}", quote(OsStr::from_bytes(&word)));
            let output = Command::new("bash").arg("-c").arg(OsStr::new(&script)).output().expect("bash starts");
            prop_assert_eq!(output.stdout, word);
        }
    }
}
