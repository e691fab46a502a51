use std::collections::BTreeMap;

use artifact::{ManifestError, ReleaseManifest, ReleaseTime, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::{Blob, GenerationNumber, PublishId};

/// The schema that this version writes and reads. It grows with every change that an older reader would misread.
pub const GENERATION_SCHEMA: u32 = 1;

/// One state of a store that was served, or still is. Immutable: its creation is the commit of a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Always [`GENERATION_SCHEMA`] in one that [`Generation::from_json`] accepted.
    pub schema: u32,
    /// Its place in the history; also its name in the store.
    pub number: GenerationNumber,
    /// The generation that it replaced. Absent in the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<GenerationNumber>,
    /// Who created it.
    pub publish_id: PublishId,
    /// When the publish began, and later than its parent.
    pub created: ReleaseTime,
    /// Why it exists.
    pub action: Action,
    /// What it serves.
    pub manifest: ReleaseManifest,
}

/// Why a generation exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// A dist tree was published.
    Publish,
    /// An older generation's content was made current again.
    Rollback {
        /// The one that was asked for.
        of: GenerationNumber,
    },
}

/// A generation that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// Not JSON of this schema.
    #[error("the generation is malformed")]
    Malformed(#[source] serde_json::Error),
    /// Written by a later version.
    #[error("the generation has schema {found}, this program reads schema {GENERATION_SCHEMA}")]
    Schema {
        /// What it says.
        found: u32,
    },
    /// Its release manifest was written by a later version.
    #[error("cannot use the release manifest in the generation")]
    Manifest(#[source] ManifestError),
    /// It stands under another generation's name.
    #[error("the generation calls itself {found}")]
    Misplaced {
        /// What it says.
        found: GenerationNumber,
    },
    /// Nothing that a publish writes.
    #[error("the generation's manifest gives the blob {digest} two sizes, {one} and {other} bytes")]
    Contradiction {
        /// The blob.
        digest: Sha256Digest,
        /// In bytes.
        one: u64,
        /// In bytes.
        other: u64,
    },
    /// Memory is bounded.
    #[error("the generation has more than {limit} bytes")]
    Large {
        /// In bytes.
        limit: u64,
    },
}

impl Generation {
    /// Reads the one named `number`. Schemas are looked at first, so that later ones are named as such.
    pub fn from_json(number: GenerationNumber, json: &[u8]) -> Result<Self, GenerationError> {
        #[derive(Deserialize)]
        struct Schema {
            schema: u32,
        }
        #[derive(Deserialize)]
        struct Inner {
            manifest: Schema,
        }
        let Schema { schema } = serde_json::from_slice(json).map_err(GenerationError::Malformed)?;
        if schema != GENERATION_SCHEMA {
            return Err(GenerationError::Schema { found: schema });
        }
        let Inner { manifest: Schema { schema } } = serde_json::from_slice(json).map_err(GenerationError::Malformed)?;
        if schema != artifact::SCHEMA_VERSION {
            return Err(GenerationError::Manifest(ManifestError::Schema { found: schema }));
        }
        let generation: Self = serde_json::from_slice(json).map_err(GenerationError::Malformed)?;
        if generation.number != number {
            return Err(GenerationError::Misplaced { found: generation.number });
        }
        blobs_of(&generation.manifest)?;
        Ok(generation)
    }

    /// The object's content.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("plain data is always JSON");
        json.push('\n');
        json
    }

    /// Every blob that it needs, once, ordered by digest.
    #[must_use]
    pub fn blobs(&self) -> Vec<Blob> {
        blobs_of(&self.manifest).unwrap_or_default()
    }
}

/// Every blob that a manifest names, once, ordered by digest.
pub(crate) fn blobs_of(manifest: &ReleaseManifest) -> Result<Vec<Blob>, GenerationError> {
    let mut sizes = BTreeMap::new();
    for artifact in &manifest.artifacts {
        let one = *sizes.entry(artifact.sha256).or_insert(artifact.size);
        if one != artifact.size {
            return Err(GenerationError::Contradiction { digest: artifact.sha256, one, other: artifact.size });
        }
    }
    Ok(sizes.into_iter().map(|(digest, size)| Blob { digest, size }).collect())
}

#[cfg(test)]
mod tests {
    use artifact::{SCHEMA_VERSION, Source};

    use super::*;

    fn generation() -> Generation {
        Generation {
            schema: GENERATION_SCHEMA,
            number: GenerationNumber::FIRST.next(),
            parent: Some(GenerationNumber::FIRST),
            publish_id: PublishId::random(),
            created: ReleaseTime::from_unix(1_764_000_000),
            action: Action::Rollback { of: GenerationNumber::FIRST },
            manifest: ReleaseManifest {
                schema: SCHEMA_VERSION,
                version: "1:0.1.0-1".to_owned(),
                time: ReleaseTime::from_unix(1_764_000_000),
                source: Source { commit: None, dirty: false },
                artifacts: Vec::new(),
            },
        }
    }

    #[test]
    fn round_trips() {
        let generation = generation();
        let read = Generation::from_json(generation.number, generation.to_json().as_bytes());
        assert_eq!(read.expect("own output"), generation);
    }

    #[test]
    fn names_later_schemas_instead_of_their_unknown_fields() {
        let number = GenerationNumber::FIRST;
        let error = Generation::from_json(number, br#"{"schema": 2, "signature": 1}"#).expect_err("later schema");
        assert!(matches!(error, GenerationError::Schema { found: 2 }), "{error}");
        let later = br#"{"schema": 1, "manifest": {"schema": 7, "new": 1}}"#;
        let error = Generation::from_json(number, later).expect_err("later schema");
        assert!(matches!(error, GenerationError::Manifest(ManifestError::Schema { found: 7 })), "{error}");
    }

    #[test]
    fn refuses_a_generation_under_another_name() {
        let json = generation().to_json();
        let error = Generation::from_json(GenerationNumber::FIRST, json.as_bytes()).expect_err("misplaced");
        assert_eq!(error.to_string(), "the generation calls itself 2");
    }
}
