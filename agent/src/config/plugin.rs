use std::{fmt, path::PathBuf};

use serde::{Serialize, Serializer};

use super::{
    field::{Field, collect},
    problem::Explain,
};

/// A program that the agent runs to learn its credential or its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plugin {
    /// What the agent calls it; not empty.
    pub name: String,
    /// The program; without a slash it is looked up on `PATH`. Default `onboarding-agent-<name>-plugin`.
    pub path: PathBuf,
    /// Added to the environment, in this order.
    pub env: Vec<EnvVariable>,
    /// The arguments.
    pub args: Vec<String>,
}

/// A variable of a plugin's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvVariable {
    /// Not empty, without `=` and NUL.
    pub name: String,
    /// Without NUL.
    pub value: Secret,
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Debug, thiserror::Error)]
enum PluginError {
    #[error("must not hold a NUL character")]
    Nul,
    #[error("the name of a variable must not hold `=`")]
    EqualsSign,
    #[error("the name holds `/`, so no program on PATH can be called after it")]
    SlashInName,
}

impl Explain for PluginError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Nul => None,
            Self::EqualsSign => Some("the value goes into the field `value`".to_owned()),
            Self::SlashInName => Some("name the program in `path`".to_owned()),
        }
    }
}

pub(crate) fn plugin(field: &Field<'_>) -> Option<Plugin> {
    let object = field.object(&["name", "path", "env", "args"])?;
    let name_field = object.required("name");
    let name = name_field.as_ref().and_then(|field| program_text(field.nonempty_text()?, field));
    let path = object.or("path", "", |field| program_text(field.text()?, field));
    let env = object.or("env", Vec::new(), |field| collect(&field.list()?, env_variable));
    let args = object.or("args", Vec::new(), |field| {
        collect(&field.list()?, |field| Some(program_text(field.text()?, field)?.to_owned()))
    });
    let (name, path) = (name?, path?);
    if path.is_empty() && name.contains('/') {
        name_field?.error(&PluginError::SlashInName);
        return None;
    }
    let path = if path.is_empty() { format!("onboarding-agent-{name}-plugin") } else { path.to_owned() };
    Some(Plugin { name: name.to_owned(), path: path.into(), env: env?, args: args? })
}

fn env_variable(field: &Field<'_>) -> Option<EnvVariable> {
    let object = field.object(&["name", "value"])?;
    let name = object.required("name").and_then(|field| {
        let name = program_text(field.nonempty_text()?, &field)?;
        if name.contains('=') {
            field.error(&PluginError::EqualsSign);
            return None;
        }
        Some(name.to_owned())
    });
    let value = object.or("value", "", |field| program_text(field.text()?, field));
    Some(EnvVariable { name: name?, value: Secret(value?.to_owned()) })
}

/// Text that a program can be given.
pub(crate) fn program_text<'a>(text: &'a str, field: &Field<'_>) -> Option<&'a str> {
    if text.contains('\0') {
        field.error(&PluginError::Nul);
        return None;
    }
    Some(text)
}
