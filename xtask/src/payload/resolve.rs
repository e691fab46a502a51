//! `cargo xtask lock`: finds out what a source holds now.

use std::path::PathBuf;

use artifact::{Arch, Revision, Sha256Digest};
use fs_err as fs;
use payload_intake::{
    ArchiveKind, FileName, GlibcVersion, IntakeError, Limits, UnsupportedKind, Wanted,
    elf::{self, ElfError},
};

use super::{
    fetch::{FetchError, Fetched, Fetcher, hash_file},
    strip::Strip,
};
use crate::{
    command::CommandError,
    failure::{Diagnose, FileContext, FileError},
    revisions::{LockedMember, LockedPayload, Manifest, MemberKind, PayloadSpec},
};

/// A payload that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{payload}: cannot take the members out")]
    Extract { payload: String, source: Box<IntakeError> },
    #[error("{payload}: cannot tell what kind of archive it is")]
    Kind { payload: String, source: UnsupportedKind },
    #[error("{payload}: {member} is no usable program")]
    Elf { payload: String, member: MemberKind, source: ElfError },
    #[error("{payload}: {member} is built for {found}, not for {expected}")]
    Machine { payload: String, member: MemberKind, expected: Arch, found: Arch },
    #[error("{payload}: {member} needs glibc {found}, `max_glibc` is {max}")]
    Glibc { payload: String, member: MemberKind, found: GlibcVersion, max: GlibcVersion },
    #[error("{payload}: {member} has digest {found}, the lock says {expected}")]
    Differs { payload: String, member: MemberKind, expected: Sha256Digest, found: Sha256Digest },
    #[error("{payload}: {member} was stripped by {found}, the lock says {expected}; the results differ")]
    OtherStrip { payload: String, member: MemberKind, expected: String, found: String },
    #[error("{payload}: cannot strip {member}")]
    Strip { payload: String, member: MemberKind, source: CommandError },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnose for PayloadError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Extract { source, .. } => source.hint().or_else(|| match **source {
                IntakeError::Open { .. } | IntakeError::MemberAskedTwice { .. } => {
                    Some("check `source` and `members` in the manifest: paths are relative to its folder".to_owned())
                }
                _ => None,
            }),
            Self::Kind { source, .. } => source.hint(),
            Self::Elf { source, .. } => source.hint(),
            Self::Machine { .. } => Some("check `source` of this architecture in the manifest".to_owned()),
            Self::Glibc { .. } => Some(
                "systems with an older glibc could not run it: take another build, or raise `max_glibc`".to_owned(),
            ),
            Self::Differs { .. } => {
                Some("the source was changed: find out why before you run `cargo xtask lock`".to_owned())
            }
            Self::OtherStrip { .. } => {
                Some("use the binutils that the lock names, or pin again with: cargo xtask lock".to_owned())
            }
            Self::Strip { source, .. } => source.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

/// Names a payload in messages.
pub(super) fn label(revision: &Revision, arch: Arch, spec: &PayloadSpec) -> String {
    format!("revision `{revision}`, {arch}, {}", spec.source)
}

/// Members on disk, in a folder that goes away with this.
#[derive(Debug)]
pub(super) struct Unpacked {
    _dir: tempfile::TempDir,
    pub(super) files: Vec<UnpackedMember>,
    pub(super) stripped_by: Option<String>,
}

/// One member, ready to be installed.
#[derive(Debug)]
pub(super) struct UnpackedMember {
    pub(super) facts: LockedMember,
    pub(super) path: PathBuf,
}

/// Takes the members out of what was fetched, strips them if asked, and reads their needs.
pub(super) fn unpack(
    fetcher: &Fetcher<'_>,
    label: &str,
    arch: Arch,
    spec: &PayloadSpec,
    fetched: &Fetched,
) -> Result<Unpacked, PayloadError> {
    let scratch = fetcher.cache.unpack();
    fs::create_dir_all(&scratch).while_("make a folder to unpack into")?;
    let dir = tempfile::tempdir_in(&scratch).while_("make a folder to unpack into")?;
    let kind = match &fetched.archive {
        Some(archive) => {
            ArchiveKind::of(&archive.name).map_err(|source| PayloadError::Kind { payload: label.to_owned(), source })?
        }
        None => ArchiveKind::Directory,
    };
    let file_name = |member: MemberKind| member.name().parse::<FileName>().expect("member names are file names");
    let wanted: Vec<_> = spec
        .members
        .iter()
        .map(|(&name, member)| Wanted { member: member.clone(), file_name: file_name(name) })
        .collect();
    let extracted = payload_intake::extract(kind, &fetched.path, &wanted, dir.path(), Limits::default())
        .map_err(|source| PayloadError::Extract { payload: label.to_owned(), source: Box::new(source) })?;

    let stripped_by = spec
        .strip
        .then(|| Strip::new(arch).identity())
        .transpose()
        .map_err(|source| PayloadError::Strip { payload: label.to_owned(), member: MemberKind::Envoy, source })?;
    let mut files = Vec::new();
    for (&name, member_path) in &spec.members {
        let upstream = extracted
            .iter()
            .find(|file| file.member == *member_path)
            .expect("extract gives every wanted member or fails");
        let mut path = upstream.path.clone();
        let (mut size, mut sha256) = (upstream.size, upstream.sha256);
        if spec.strip && name.is_program() {
            let stripped = path.with_extension("stripped");
            Strip::new(arch).run(&path, &stripped).map_err(|source| PayloadError::Strip {
                payload: label.to_owned(),
                member: name,
                source,
            })?;
            path = stripped;
            (size, sha256) = hash_file(&path).while_("read a stripped program")?;
        }
        let (machine, glibc) = if name.is_program() {
            let facts = elf::inspect(&path).map_err(|source| PayloadError::Elf {
                payload: label.to_owned(),
                member: name,
                source,
            })?;
            (Some(facts.machine), facts.glibc_floor)
        } else {
            (None, None)
        };
        let facts = LockedMember {
            name,
            path: member_path.clone(),
            upstream_sha256: upstream.sha256,
            size,
            sha256,
            machine,
            glibc,
        };
        files.push(UnpackedMember { facts, path });
    }
    Ok(Unpacked { _dir: dir, files, stripped_by })
}

/// Resolves one payload of the manifest and puts its members into the cache.
pub(crate) fn resolve(
    fetcher: &Fetcher<'_>,
    manifest: &Manifest,
    revision: &Revision,
    arch: Arch,
    spec: &PayloadSpec,
) -> Result<LockedPayload, PayloadError> {
    let label = label(revision, arch, spec);
    let fetched = fetcher.fetch(&spec.source, None)?;
    let unpacked = unpack(fetcher, &label, arch, spec, &fetched)?;
    for UnpackedMember { facts, .. } in &unpacked.files {
        check_needs(&label, arch, manifest.max_glibc, facts)?;
    }
    super::store::keep(fetcher.cache, &unpacked)?;
    Ok(LockedPayload {
        revision: revision.clone(),
        arch,
        source: spec.source.relative_to(&manifest.path),
        stripped_by: unpacked.stripped_by.clone(),
        archive: fetched.archive,
        members: unpacked.files.into_iter().map(|file| file.facts).collect(),
    })
}

/// A package must run on its architecture and on systems with `max_glibc`.
pub(super) fn check_needs(
    label: &str,
    arch: Arch,
    max_glibc: GlibcVersion,
    member: &LockedMember,
) -> Result<(), PayloadError> {
    match member.machine {
        Some(found) if found != arch => {
            return Err(PayloadError::Machine {
                payload: label.to_owned(),
                member: member.name,
                expected: arch,
                found,
            });
        }
        _ => {}
    }
    match &member.glibc {
        Some(found) if *found > max_glibc => {
            Err(PayloadError::Glibc { payload: label.to_owned(), member: member.name, found: *found, max: max_glibc })
        }
        _ => Ok(()),
    }
}
