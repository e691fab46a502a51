use std::{fmt::Display, str::FromStr};

use super::{
    document::{Entry, Node, Value},
    kind::{Kind, check_kind},
    nearest::nearest,
    problem::{Explain, FieldPath, Place, Problems, printable},
};

/// A field whose shape is wrong, whatever it means.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FieldError {
    #[error("unknown field `{}`", printable(name))]
    Unknown { name: String, known: &'static [&'static str] },
    #[error("the field is set a second time")]
    Twice,
    #[error("this field is required")]
    Missing { name: &'static str },
    #[error("expected {expected}, found {found}")]
    WrongType { expected: &'static str, found: &'static str },
    #[error("`{first}` and `{second}` are both set, but only one of them can be")]
    BothSet { first: &'static str, second: &'static str },
    #[error("`{name}` has no value")]
    Bare { name: &'static str },
    #[error("must have at least one element")]
    EmptyList,
    #[error("must not be empty")]
    EmptyText,
}

impl Explain for FieldError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { name, known } => match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "nothing can be set here; write `{}`".to_owned(),
                None => format!("known here: {}", known.join(", ")),
            },
            Self::Twice => "delete one of the two".to_owned(),
            Self::Missing { name } => format!("add `{name}` here"),
            Self::WrongType { expected: "text", found: "a number" | "true/false" } => {
                "put the value into quotes".to_owned()
            }
            Self::WrongType { expected: "text", found: "nothing" } => "write `\"\"` for empty text".to_owned(),
            Self::WrongType { expected: "an object", .. } => {
                "write its fields below, indented further, or `{}` for the defaults".to_owned()
            }
            Self::WrongType { expected: "a list", .. } => "begin each element with `- ` on its own line".to_owned(),
            Self::BothSet { .. } => "delete the one that is not meant".to_owned(),
            Self::Bare { name } => format!("write `{name}: {{}}` to choose it with its defaults"),
            Self::WrongType { .. } | Self::EmptyList | Self::EmptyText => return None,
        })
    }
}

/// A value together with its path and the place to report problems to.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    pub(crate) path: FieldPath,
    node: &'a Node,
    problems: &'a Problems,
}

impl<'a> Field<'a> {
    pub(crate) fn root(node: &'a Node, problems: &'a Problems) -> Self {
        Self { path: FieldPath::default(), node, problems }
    }

    pub(crate) fn error(&self, error: &dyn Explain) {
        self.problems.error(self.node.place, &self.path, error);
    }

    pub(crate) fn warning(&self, error: &dyn Explain) {
        self.problems.warning(self.node.place, &self.path, error);
    }

    fn wrong_type<T>(&self, expected: &'static str) -> Option<T> {
        self.error(&FieldError::WrongType { expected, found: self.node.value.kind() });
        None
    }

    /// The fields of an object, of which only `known` may be set.
    pub(crate) fn object(&self, known: &'static [&'static str]) -> Option<Object<'a>> {
        let entries = self.entries()?;
        for (key, entry) in entries {
            if !known.contains(&entry.key.as_str()) {
                let error = FieldError::Unknown { name: entry.key.clone(), known };
                self.problems.error(entry.place, &key, &error);
            }
        }
        match &self.node.value {
            Value::Object(entries) => Some(Object { field: self.clone(), entries }),
            _ => None,
        }
    }

    /// The document itself: of `kind`, and with `known` fields only. The kind is checked first.
    pub(crate) fn object_of_kind(&self, kind: Kind, known: &'static [&'static str]) -> Option<Object<'a>> {
        let Value::Object(entries) = &self.node.value else {
            return self.wrong_type("an object");
        };
        check_kind(kind, &Object { field: self.clone(), entries }).then(|| self.object(known)).flatten()
    }

    /// Every entry of an object with its path; duplicates are reported and left out.
    pub(crate) fn entries(&self) -> Option<Vec<(FieldPath, &'a Entry)>> {
        let Value::Object(entries) = &self.node.value else {
            return self.wrong_type("an object");
        };
        let mut unique = Vec::with_capacity(entries.len());
        let mut seen = std::collections::BTreeSet::new();
        for entry in entries {
            let path = self.path.child(&entry.key);
            if seen.insert(entry.key.as_str()) {
                unique.push((path, entry));
            } else {
                self.problems.error(entry.place, &path, &FieldError::Twice);
            }
        }
        Some(unique)
    }

    /// The field that `entry` of this object holds.
    pub(crate) fn entry(&self, path: FieldPath, entry: &'a Entry) -> Field<'a> {
        Field { path, node: &entry.value, problems: self.problems }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => self.wrong_type("text"),
        }
    }

    /// Text that is not empty; `None` is reported, so the caller need not.
    pub(crate) fn nonempty_text(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.is_empty() {
            self.error(&FieldError::EmptyText);
            return None;
        }
        Some(text)
    }

    pub(crate) fn parse<T: FromStr<Err: Explain>>(&self) -> Option<T> {
        self.text()?.parse().map_err(|error: T::Err| self.error(&error)).ok()
    }

    /// Like [`Field::parse`]; empty text is an absent value, as in protocol buffers.
    pub(crate) fn parse_or<T: FromStr<Err: Explain>, U>(&self, empty: U, parsed: impl FnOnce(T) -> U) -> Option<U> {
        if self.text()?.is_empty() { Some(empty) } else { self.parse().map(parsed) }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(value) => Some(*value),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A whole number; JSON of protocol buffers also allows it in quotes.
    pub(crate) fn integer(&self) -> Option<i128> {
        match &self.node.value {
            Value::Integer(value) => Some(*value),
            Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().or_else(|| self.wrong_type("a whole number"))
            }
            _ => self.wrong_type("a whole number"),
        }
    }

    pub(crate) fn list(&self) -> Option<Vec<Field<'a>>> {
        let Value::List(nodes) = &self.node.value else {
            return self.wrong_type("a list");
        };
        let element = |(index, node)| Field { path: self.path.element(index), node, problems: self.problems };
        Some(nodes.iter().enumerate().map(element).collect())
    }
}

/// The one of several fields that is set.
pub(crate) type Choice<'a> = Option<(&'static str, Field<'a>)>;

/// There is no value, and the reason is among the problems.
#[derive(Debug)]
pub(crate) struct Reported;

/// The fields of one object.
pub(crate) struct Object<'a> {
    field: Field<'a>,
    entries: &'a [Entry],
}

impl<'a> Object<'a> {
    /// The field `name`; absent and `null` are the same, as in protocol buffers.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'a>> {
        self.raw(name).filter(|field| field.node.value != Value::Null)
    }

    fn raw(&self, name: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        Some(self.field.entry(self.field.path.child(name), entry))
    }

    /// The field `name`, which must be set.
    pub(crate) fn required(&self, name: &'static str) -> Option<Field<'a>> {
        let field = self.get(name);
        if field.is_none() {
            let place = self.raw(name).map_or(self.field.node.place, |field| field.node.place);
            self.problem(place, name, &FieldError::Missing { name });
        }
        field
    }

    /// The value of field `name` as `read` sees it: `Some(default)` when absent, `None` when wrong.
    pub(crate) fn or<T>(&self, name: &str, default: T, read: impl FnOnce(&Field<'a>) -> Option<T>) -> Option<T> {
        self.get(name).map_or(Some(default), |field| read(&field))
    }

    /// The one field of `names` that is set; `None` when none is.
    ///
    /// A name without a value chooses nothing in protocol buffers, which is never what was meant.
    pub(crate) fn one_of(&self, names: &'static [&'static str]) -> Result<Choice<'a>, Reported> {
        let mut chosen: Choice<'a> = None;
        let mut good = true;
        for &name in names {
            let Some(field) = self.raw(name) else { continue };
            if field.node.value == Value::Null {
                field.error(&FieldError::Bare { name });
                good = false;
            }
            if let Some((first, _)) = &chosen {
                let error = FieldError::BothSet { first, second: name };
                self.field.problems.error(field.node.place, &self.field.path, &error);
                good = false;
            } else {
                chosen = Some((name, field));
            }
        }
        if good { Ok(chosen) } else { Err(Reported) }
    }

    fn problem(&self, place: Option<Place>, name: &str, error: &dyn Explain) {
        self.field.problems.error(place, &self.field.path.child(name), error);
    }
}

/// Every element of a list of text, parsed.
pub(crate) fn parse_all<T: FromStr<Err: Explain>>(list: &Field<'_>) -> Option<Vec<T>> {
    collect(&list.list()?, Field::parse)
}

/// Reads every element and so reports every problem; `None` if any is wrong.
pub(crate) fn collect<'a, T>(fields: &[Field<'a>], read: impl Fn(&Field<'a>) -> Option<T>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = fields.iter().map(read).collect();
    read.into_iter().collect()
}

/// `name` in quotes for a message.
pub(crate) fn quoted(name: impl Display) -> String {
    format!("`{}`", printable(&name.to_string()))
}
