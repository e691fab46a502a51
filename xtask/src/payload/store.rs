//! The payload files in the cache, as they are installed.

use std::path::PathBuf;

use artifact::{Arch, Revision};
use fs_err as fs;

use super::{
    fetch::Fetcher,
    resolve::{PayloadError, Unpacked, check_needs, label, unpack},
};
use crate::{
    failure::{FileContext, FileError},
    revisions::{LockedMember, LockedPayload, Manifest, PayloadSpec},
    workspace::Cache,
};

/// One payload file on this machine with the bytes that the lock says.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) facts: LockedMember,
    pub(crate) path: PathBuf,
}

/// Moves unpacked members into the cache.
pub(super) fn keep(cache: &Cache, unpacked: &Unpacked) -> Result<(), FileError> {
    for file in &unpacked.files {
        let path = cache.member(file.facts.sha256);
        let dir = path.parent().expect("cache paths have a folder");
        fs::create_dir_all(dir).while_("make a cache folder")?;
        fs::rename(&file.path, &path).while_("move a payload file into the cache")?;
    }
    Ok(())
}

/// Makes the files of a locked payload ready. Anything that differs from the lock is refused before it is used.
pub(crate) fn ready(
    fetcher: &Fetcher<'_>,
    manifest: &Manifest,
    revision: &Revision,
    arch: Arch,
    spec: &PayloadSpec,
    locked: &LockedPayload,
) -> Result<Vec<Installed>, PayloadError> {
    let label = label(revision, arch, spec);
    // The manifest's `max_glibc` may have been lowered since it was locked.
    for member in &locked.members {
        check_needs(&label, arch, manifest.max_glibc, member)?;
    }
    let cached = |member: &LockedMember| {
        fetcher.cache.member(member.sha256).metadata().is_ok_and(|metadata| metadata.len() == member.size)
    };
    if !locked.members.iter().all(cached) {
        let fetched = fetcher.fetch(&spec.source, locked.archive.as_ref())?;
        let unpacked = unpack(fetcher, &label, arch, spec, &fetched)?;
        check_against_lock(&label, locked, &unpacked)?;
        keep(fetcher.cache, &unpacked)?;
    }
    Ok(locked
        .members
        .iter()
        .map(|facts| Installed { facts: facts.clone(), path: fetcher.cache.member(facts.sha256) })
        .collect())
}

fn check_against_lock(label: &str, locked: &LockedPayload, unpacked: &Unpacked) -> Result<(), PayloadError> {
    for expected in &locked.members {
        let found = unpacked
            .files
            .iter()
            .map(|file| &file.facts)
            .find(|found| found.name == expected.name)
            .expect("the lock was checked to have the manifest's members");
        if found.upstream_sha256 != expected.upstream_sha256 {
            return Err(PayloadError::Differs {
                payload: label.to_owned(),
                member: expected.name,
                expected: expected.upstream_sha256,
                found: found.upstream_sha256,
            });
        }
        if found.sha256 != expected.sha256 {
            return Err(PayloadError::OtherStrip {
                payload: label.to_owned(),
                member: expected.name,
                expected: locked.stripped_by.clone().unwrap_or_default(),
                found: unpacked.stripped_by.clone().unwrap_or_default(),
            });
        }
    }
    Ok(())
}
