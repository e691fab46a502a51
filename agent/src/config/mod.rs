//! Both configuration files: read, checked in full, and turned into types that cannot be wrong.
//!
//! A file becomes a tree of nodes that know their place ([`document`]); readers ([`field`]) take it apart, report every
//! problem and build the typed configuration, which exists only when nothing is wrong.

use std::path::PathBuf;

/// `agent.config.yaml`.
pub mod agent;
mod document;
mod field;
mod kind;
mod nearest;
/// `onboarding.config.yaml`.
pub mod onboarding;
/// Programs that the agent asks.
pub mod plugin;
mod problem;
mod source;
pub mod values;

#[cfg(test)]
mod agent_tests;
#[cfg(test)]
mod onboarding_tests;

pub use agent::AgentConfiguration;
pub use kind::{API_VERSION, Kind};
pub use onboarding::OnboardingConfiguration;
pub use problem::{Explain, FieldPath, Place, Problem, Problems, Severity};
pub use source::MOST_BYTES;

use agent::{CustomHost, HostInfo, HostSource};
use onboarding::ConnectedOver;

/// Where both configuration files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFiles {
    /// Holds the [`AgentConfiguration`].
    pub agent: PathBuf,
    /// Holds the [`OnboardingConfiguration`].
    pub onboarding: PathBuf,
}

/// Both configurations with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which mesh to join, and as what.
    pub onboarding: OnboardingConfiguration,
    /// How the agent works on this machine.
    pub agent: AgentConfiguration,
}

/// What became of both files.
#[derive(Debug)]
pub struct Loaded {
    /// `None` if any problem is an error.
    pub settings: Option<Settings>,
    /// Everything that is wrong with either file, the onboarding configuration first.
    pub problems: Vec<Problem>,
}

#[derive(Debug, thiserror::Error)]
#[error("INTERNET needs a public address, but `hostinfo.basic` reports private ones only")]
struct NoPublicAddress;

impl Explain for NoPublicAddress {
    fn hint(&self) -> Option<String> {
        Some("set `host.custom.hostinfo.plugin` in the agent configuration".to_owned())
    }
}

impl ConfigFiles {
    /// Reads and checks both files, the second one also when the first is wrong.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let onboarding_problems = Problems::new(&self.onboarding);
        let agent_problems = Problems::new(&self.agent);
        let root = FieldPath::default();
        let onboarding = source::read(&self.onboarding, Kind::OnboardingConfiguration)
            .map_err(|error| onboarding_problems.error(None, &root, &error))
            .ok()
            .and_then(|bytes| OnboardingConfiguration::parse(&bytes, &onboarding_problems));
        let agent = source::read(&self.agent, Kind::AgentConfiguration)
            .map_err(|error| agent_problems.error(None, &root, &error))
            .ok()
            .and_then(|bytes| AgentConfiguration::parse(&bytes, &agent_problems));
        let settings = onboarding.zip(agent).map(|(onboarding, agent)| Settings { onboarding, agent });
        if let Some(settings) = &settings
            && settings.onboarding.settings.connected_over == ConnectedOver::Internet
            && let HostSource::Custom(CustomHost { hostinfo: HostInfo::Basic(_), .. }) = settings.agent.host
        {
            onboarding_problems.warning(None, &root.child("settings").child("connectedOver"), &NoPublicAddress);
        }
        let mut problems = onboarding_problems.into_sorted();
        problems.extend(agent_problems.into_sorted());
        Loaded { settings, problems }
    }
}
