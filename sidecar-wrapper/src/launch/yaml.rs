//! YAML and JSON that other programs judge: as much of it as a launch depends on.

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Location, MessageFormatter, Options, UserMessageFormatter};

/// Why a text is no YAML, and where. It shows nothing of the text, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .place.map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default())]
pub struct YamlError {
    /// Line and column, from 1.
    pub place: Option<(u32, u32)>,
    /// What is wrong there.
    pub message: String,
}

/// The first document of a text; nothing at all is `null`.
pub(crate) fn parse(text: &str) -> Result<Value, YamlError> {
    let documents = serde_saphyr::from_multiple_with_options::<Value>(text, options());
    documents.map(|documents| documents.into_iter().next().unwrap_or_default()).map_err(|error| YamlError {
        place: error.location().and_then(place),
        message: UserMessageFormatter.format_message(&error).into_owned(),
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        // As Go and Envoy take it.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // An error then holds nothing of the text, either.
        with_snippet: false,
    }
}

fn place(location: Location) -> Option<(u32, u32)> {
    let number = |number: u64| u32::try_from(number).ok();
    if location == Location::UNKNOWN { None } else { number(location.line()).zip(number(location.column())) }
}

/// The field of a Protobuf message in JSON, where `a_name` can be written `aName` as well.
pub(crate) fn field<'a>(message: &'a Value, name: &str) -> Option<&'a Value> {
    let given = |name: &str| message.get(name).filter(|value| !value.is_null());
    given(name).or_else(|| given(&camel_case(name)))
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        camel.push_str(&first.to_ascii_uppercase());
        camel.push_str(rest);
    }
    camel
}

/// A number of Protobuf in JSON, where it can be text as well.
pub(crate) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn takes_what_the_other_programs_take() {
        assert_eq!(parse(""), Ok(Value::Null));
        assert_eq!(parse("# nothing\n"), Ok(Value::Null));
        assert_eq!(parse("a: 1\na: 2\n"), Ok(json!({"a": 2})));
        assert_eq!(parse(r#"{"a": {"b": [1, "x"]}}"#), Ok(json!({"a": {"b": [1, "x"]}})));
    }

    #[test]
    fn says_where_it_stops_and_shows_nothing_of_the_text() {
        for text in [
            "a:\n  - 'hunter2\nb: hunter2 : hunter2\n",
            "a: *hunter2\n",
            "a: hunter2: hunter2\n",
            "hunter2: [hunter2\n",
            "? [hunter2]\n: 1\n",
            "a: !!int hunter2\n",
            "a: !!binary hunter2!\n",
            "a: \"\\hunter2\"\n",
            "%hunter2\n",
        ] {
            let Err(error) = parse(text) else { continue };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text:?}: {error:?}");
            assert!(error.place.is_some(), "{error}");
        }
        assert_eq!(parse("a:\n\tb: 1\n").expect_err("a tab").place.map(|(line, _)| line), Some(2));
    }

    #[test]
    fn finds_fields_by_both_names_and_numbers_in_text() {
        let message = json!({"statusPort": "1", "admin_port": 2, "none": null, "real": 2.5});
        assert_eq!(field(&message, "status_port").and_then(number), Some(1));
        assert_eq!(field(&message, "admin_port").and_then(number), Some(2));
        assert_eq!(field(&message, "none"), None);
        assert_eq!(field(&message, "real").and_then(number), None);
    }
}
