use std::collections::BTreeMap;

use artifact::{Artifact, ReleaseManifest};
use futures_util::{StreamExt, stream};

use super::{Conflict, PublishError};
use crate::{Generation, ReadError, Store, store::SMALL_REQUESTS};

/// What must always be the same bytes.
type Identity<'a> =
    (artifact::Component, &'a str, artifact::Arch, artifact::PackageFormat, Option<&'a artifact::Revision>);

fn identity(artifact: &Artifact) -> Identity<'_> {
    (artifact.component, &artifact.version, artifact.arch, artifact.format, artifact.revision.as_ref())
}

/// Every package of `manifest` that `published` has under the same identity with other bytes.
pub(super) fn conflicts(manifest: &ReleaseManifest, published: &Generation) -> Vec<Conflict> {
    let known: BTreeMap<_, _> =
        published.manifest.artifacts.iter().map(|artifact| (identity(artifact), artifact.sha256)).collect();
    let conflict = |artifact: &Artifact| {
        let theirs = *known.get(&identity(artifact))?;
        (theirs != artifact.sha256).then(|| Conflict {
            path: artifact.path.clone(),
            version: artifact.version.clone(),
            ours: artifact.sha256,
            theirs,
            generation: published.number,
        })
    };
    manifest.artifacts.iter().filter_map(conflict).collect()
}

impl Store {
    /// Compares with every kept generation.
    pub(super) async fn refuse_conflicts(&self, manifest: &ReleaseManifest) -> Result<(), PublishError> {
        let numbers = self.generations().await?;
        let mut published =
            stream::iter(numbers).map(|number| async move { self.generation(number).await }).buffered(SMALL_REQUESTS);
        while let Some(generation) = published.next().await {
            let generation = match generation {
                // Garbage collection took it meanwhile.
                Err(ReadError::Missing { .. }) => continue,
                generation => generation?,
            };
            let conflicts = conflicts(manifest, &generation);
            if !conflicts.is_empty() {
                return Err(PublishError::Conflict { conflicts });
            }
        }
        Ok(())
    }
}
