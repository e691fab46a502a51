use serde::{Deserialize, Serialize};

use crate::{PayloadMember, Revision, UpstreamVersion};

/// `revision.json` in a sidecar package: what is installed, for the agent, the wrapper and people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SidecarInfo {
    schema: u32,
    /// The Istio revision that the package was made for.
    pub revision: Revision,
    /// Istio's version.
    pub istio: UpstreamVersion,
    /// Envoy's version.
    pub envoy: UpstreamVersion,
    /// Whether pilot-agent is installed.
    pub pilot_agent: bool,
    /// The payload files, ordered by path.
    pub members: Vec<PayloadMember>,
}

/// A `revision.json` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SidecarInfoError {
    /// Not JSON of this schema.
    #[error("the sidecar's description is malformed")]
    Malformed(#[source] serde_json::Error),
    /// Written by a later version.
    #[error("the sidecar's description has schema {found}, this program reads schema {}", SidecarInfo::SCHEMA)]
    Schema {
        /// What the file says.
        found: u32,
    },
}

impl SidecarInfo {
    /// Where a sidecar package installs it.
    pub const FILE: &'static str = "/usr/share/istio-sidecar/revision.json";
    /// The schema that this version writes and reads.
    pub const SCHEMA: u32 = 1;

    /// A description of the current schema.
    #[must_use]
    pub const fn new(
        revision: Revision,
        istio: UpstreamVersion,
        envoy: UpstreamVersion,
        pilot_agent: bool,
        members: Vec<PayloadMember>,
    ) -> Self {
        Self { schema: Self::SCHEMA, revision, istio, envoy, pilot_agent, members }
    }

    /// Reads the file's content; the schema is looked at first, so that a later one is named as such.
    pub fn from_json(json: &[u8]) -> Result<Self, SidecarInfoError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        let Schema { schema } = serde_json::from_slice(json).map_err(SidecarInfoError::Malformed)?;
        if schema != Self::SCHEMA {
            return Err(SidecarInfoError::Schema { found: schema });
        }
        serde_json::from_slice(json).map_err(SidecarInfoError::Malformed)
    }

    /// The file's content.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("plain data is always JSON");
        json.push('\n');
        json
    }
}
