use std::{fmt, str::FromStr};

use crate::serde_text::serde_text;

/// A product part that becomes packages. Its text form is the package's name, the same for every revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The Workload Onboarding Agent.
    OnboardingAgent,
    /// The Istio sidecar: the wrapper of ours around a revision's payload.
    IstioSidecar,
}

impl Component {
    /// Every component, in the order of all listings.
    pub const ALL: [Self; 2] = [Self::OnboardingAgent, Self::IstioSidecar];

    /// The name that dpkg and rpm know the package by.
    #[must_use]
    pub const fn package_name(self) -> &'static str {
        match self {
            Self::OnboardingAgent => "onboarding-agent",
            Self::IstioSidecar => "istio-sidecar",
        }
    }

    /// The cargo package whose program and `[package.metadata.*]` the component is made from.
    #[must_use]
    pub const fn cargo_package(self) -> &'static str {
        match self {
            Self::OnboardingAgent => "onboarding-agent",
            Self::IstioSidecar => "sidecar-wrapper",
        }
    }

    /// The workspace folder of [`Self::cargo_package`].
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::OnboardingAgent => "agent",
            Self::IstioSidecar => "sidecar-wrapper",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.package_name())
    }
}

/// Text that names no [`Component`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown component `{0}`: expected `onboarding-agent` or `istio-sidecar`")]
pub struct ComponentError(String);

impl FromStr for Component {
    type Err = ComponentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|component| component.package_name() == text)
            .ok_or_else(|| ComponentError(text.to_owned()))
    }
}

serde_text!(Component);
