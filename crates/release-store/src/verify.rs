//! Whether a store can still give what it promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    num::NonZeroUsize,
};

use artifact::Sha256Digest;
use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::{Blob, BlobProblem, GenerationNumber, Progress, Store, StoreError, Transfer};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReport {
    /// How many generations are kept.
    pub generations: usize,
    /// How many blobs they need, and their bytes.
    pub blobs: Transfer,
    /// All that is wrong: generations first, newest first; then blobs by digest.
    pub faults: Vec<StoreFault>,
}

/// One thing that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum StoreFault {
    /// It is there and unusable.
    #[error("generation {generation}: {reason}")]
    Generation {
        /// Which one.
        generation: GenerationNumber,
        /// What is wrong with it.
        reason: String,
    },
    /// Its name, size or content is not what generations say.
    #[error("blob {digest} of {}: {kind}", first(paths))]
    Blob {
        /// What it should be.
        digest: Sha256Digest,
        /// What is wrong with it.
        #[serde(flatten)]
        kind: BlobFault,
        /// Where it is served, in which generation, such as `/install/deb/amd64/istio-sidecar.deb` in 12.
        paths: Vec<Use>,
    },
}

/// What can be wrong with a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "blob", rename_all = "kebab-case")]
pub enum BlobFault {
    /// It is not there.
    #[error("missing")]
    Missing,
    /// It was cut short, or is another one.
    #[error("wrong size: {expected} bytes expected, {found} found")]
    WrongSize {
        /// In bytes.
        expected: u64,
        /// In bytes.
        found: u64,
    },
    /// Its content changed.
    #[error("wrong digest: the content has {found}")]
    WrongDigest {
        /// What its content hashes to.
        found: Sha256Digest,
    },
    /// The store did not give it.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
}

/// A place that a generation serves a blob at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Use {
    /// Which one.
    pub generation: GenerationNumber,
    /// The URI's path.
    pub path: String,
}

fn first(uses: &[Use]) -> String {
    let Some(Use { generation, path }) = uses.first() else { return "no generation".to_owned() };
    match uses.len() {
        1 => format!("{path} in generation {generation}"),
        number => format!("{path} in generation {generation} and {} more", number - 1),
    }
}

impl Store {
    /// Reads every kept generation and hashes every blob that one names. Fails only where a listing does; all else is in
    /// the report.
    pub async fn verify(&self, jobs: NonZeroUsize, progress: &dyn Progress) -> Result<StoreReport, StoreError> {
        let releases = self.releases().await?;
        let mut faults = Vec::new();
        let mut uses: BTreeMap<Blob, BTreeSet<Use>> = BTreeMap::new();
        for (number, release) in &releases {
            let generation = match release {
                Ok(generation) => generation,
                Err(error) => {
                    faults.push(StoreFault::Generation { generation: *number, reason: chain(error) });
                    continue;
                }
            };
            for artifact in &generation.manifest.artifacts {
                let blob = Blob { digest: artifact.sha256, size: artifact.size };
                let used = Use { generation: generation.number, path: artifact.path.to_string() };
                uses.entry(blob).or_default().insert(used);
            }
        }
        let mut blobs = Transfer::default();
        for blob in uses.keys() {
            blobs.add(blob.size);
        }
        progress.begin(blobs.bytes);
        let mut checked = stream::iter(uses)
            .map(|(blob, uses)| async move { (blob, uses, self.fault(blob).await) })
            .buffered(jobs.get());
        while let Some((blob, uses, fault)) = checked.next().await {
            progress.advance(blob.size);
            let paths = uses.into_iter().rev().collect();
            faults.extend(fault.map(|kind| StoreFault::Blob { digest: blob.digest, kind, paths }));
        }
        Ok(StoreReport { generations: releases.len(), blobs, faults })
    }

    async fn fault(&self, blob: Blob) -> Option<BlobFault> {
        let unreadable = |error: StoreError| Some(BlobFault::Unreadable { reason: chain(&error) });
        match self.problem(blob).await {
            Ok(Some(BlobProblem::Missing(_))) => return Some(BlobFault::Missing),
            Ok(Some(BlobProblem::WrongSize { found, .. })) => {
                return Some(BlobFault::WrongSize { expected: blob.size, found });
            }
            Ok(None) => {}
            Err(error) => return unreadable(error),
        }
        match self.digest(blob).await {
            Ok(Some(digest)) if digest == blob.digest => None,
            Ok(Some(found)) => Some(BlobFault::WrongDigest { found }),
            Ok(None) => Some(BlobFault::Unreadable { reason: "it was cut short while it was read".to_owned() }),
            Err(error) => unreadable(error),
        }
    }
}

/// An error and its causes in one line, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
