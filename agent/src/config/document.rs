use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, Location, MessageFormatter, NonFiniteFloatPolicy, Options, Spanned, UserMessageFormatter,
};

use super::problem::{Explain, FieldPath, Place, Problems};

/// A value of a YAML or JSON document and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Option<Place>,
    pub(crate) value: Value,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// Entries in the order of the file; a key may occur twice.
    Object(Vec<Entry>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Option<Place>,
    pub(crate) value: Node,
}

impl Value {
    /// The kind of value, as messages call it. Values themselves may be secrets and are not shown.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true/false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A file that holds no readable document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("the file is not UTF-8 text")]
    Encoding,
    #[error("the file holds no document")]
    Empty { example: &'static str },
    #[error("the file is not valid YAML: {0}")]
    Syntax(String),
    #[error("the document is too big or nested too deeply")]
    TooComplex,
    #[error("a second document begins here")]
    SecondDocument,
}

impl Explain for DocumentError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Encoding => "save the file as UTF-8".to_owned(),
            Self::Empty { example } => format!("the least that works is:\n\n{example}"),
            Self::Syntax(_) => "check the indentation and the quotes at this place; tabs cannot indent YAML".to_owned(),
            Self::TooComplex => "this is no configuration file of the agent".to_owned(),
            Self::SecondDocument => {
                "keep one document per file; the other configuration goes into its own file".to_owned()
            }
        })
    }
}

/// Reads the one document that `bytes` must hold; `example` is shown when there is none.
///
/// Reports what it finds and still returns the first document when there are several.
pub(crate) fn parse(bytes: &[u8], example: &'static str, problems: &Problems) -> Option<Node> {
    let root = FieldPath::default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
            let place = Place { line: line as u64, column: 1 };
            problems.error(Some(place), &root, &DocumentError::Encoding);
            return None;
        }
    };
    match serde_saphyr::from_multiple_with_options::<Spanned<Value>>(text, options()) {
        Ok(documents) => {
            let mut documents = documents.into_iter().map(Node::from);
            let first = documents.next();
            if first.is_none() {
                problems.error(None, &root, &DocumentError::Empty { example });
            }
            if let Some(second) = documents.next() {
                problems.error(second.place, &root, &DocumentError::SecondDocument);
            }
            first
        }
        Err(error) => {
            problems.error(error.location().and_then(place), &root, &document_error(&error));
            None
        }
    }
}

fn document_error(error: &serde_saphyr::Error) -> DocumentError {
    use serde_saphyr::Error as Yaml;

    match error {
        Yaml::AliasError { error, .. } => document_error(error),
        Yaml::Budget { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasExpansionLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => DocumentError::TooComplex,
        error => DocumentError::Syntax(UserMessageFormatter.format_message(error).into_owned()),
    }
}

/// Limits for a file of a few dozen lines, far below what a YAML bomb needs.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_events: 50_000,
            max_nodes: 20_000,
            max_total_scalar_bytes: 1 << 20,
            max_documents: 16,
            max_anchors: 100,
            max_aliases: 100,
            max_recorded_anchor_events: 10_000,
            max_recorded_anchor_bytes: 1 << 20,
            max_merge_keys: 100,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
        },
        // The reader of objects reports each duplicate, with its place.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // A snippet of the file can show a secret.
        with_snippet: false,
    }
}

fn place(location: Location) -> Option<Place> {
    (location != Location::UNKNOWN).then(|| Place { line: location.line(), column: location.column() })
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { place: place(spanned.referenced), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(element) = list.next_element::<Spanned<Value>>()? {
            nodes.push(Node::from(element));
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = object.next_entry::<Spanned<String>, Spanned<Value>>()? {
            entries.push(Entry { key: key.value, place: place(key.referenced), value: Node::from(value) });
        }
        Ok(Value::Object(entries))
    }
}
