use std::fmt;

use serde::Serialize;

use super::{
    field::{Object, quoted},
    problem::Explain,
};

/// The `apiVersion` of both files.
pub const API_VERSION: &str = "config.agent.onboarding.tetrate.io/v1alpha1";

/// The kinds of configuration, one per file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// `onboarding.config.yaml`, which the user writes.
    OnboardingConfiguration,
    /// `agent.config.yaml`, which the package ships.
    AgentConfiguration,
}

impl Kind {
    /// The name of the file that holds this kind.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::OnboardingConfiguration => "onboarding.config.yaml",
            Self::AgentConfiguration => "agent.config.yaml",
        }
    }

    /// The smallest document of this kind.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::OnboardingConfiguration => {
                "apiVersion: config.agent.onboarding.tetrate.io/v1alpha1
kind: OnboardingConfiguration
onboardingEndpoint:
  host: onboarding.example.com
workloadGroup:
  namespace: bookinfo
  name: ratings
"
            }
            Self::AgentConfiguration => {
                "apiVersion: config.agent.onboarding.tetrate.io/v1alpha1
kind: AgentConfiguration
"
            }
        }
    }

    fn other(self) -> Self {
        match self {
            Self::OnboardingConfiguration => Self::AgentConfiguration,
            Self::AgentConfiguration => Self::OnboardingConfiguration,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::OnboardingConfiguration => "OnboardingConfiguration",
            Self::AgentConfiguration => "AgentConfiguration",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A document that is not what its file is for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KindError {
    #[error("this is the {}, but this file holds the {wanted}", wanted.other())]
    WrongFile { wanted: Kind },
    #[error("expected {wanted}, found {}", quoted(found))]
    Unknown { wanted: Kind, found: String },
    #[error("expected {API_VERSION}, found {}", quoted(.0))]
    Version(String),
}

impl Explain for KindError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::WrongFile { wanted } => {
                let found = wanted.other();
                format!("the {found} belongs in /etc/onboarding-agent/{}", found.file_name())
            }
            Self::Unknown { wanted, .. } => format!("write `kind: {wanted}`"),
            Self::Version(_) => format!("write `apiVersion: {API_VERSION}`"),
        })
    }
}

/// Checks `apiVersion` and `kind`; `false` if the document is of another kind and its fields say nothing.
pub(crate) fn check_kind(wanted: Kind, document: &Object<'_>) -> bool {
    if let Some(field) = document.required("apiVersion")
        && let Some(version) = field.text()
        && version != API_VERSION
    {
        field.error(&KindError::Version(version.to_owned()));
    }
    let Some(field) = document.required("kind") else { return true };
    let Some(found) = field.text() else { return true };
    if found == wanted.name() {
        return true;
    }
    if found == wanted.other().name() {
        field.error(&KindError::WrongFile { wanted });
    } else {
        field.error(&KindError::Unknown { wanted, found: found.to_owned() });
    }
    false
}
