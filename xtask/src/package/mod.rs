//! Makes one package: a small base by cargo-deb or cargo-generate-rpm, then the payload spliced in.

mod base_deb;
mod base_rpm;
mod cache;
mod changelog;
mod relations;
mod verify;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use artifact::{PackageFormat, Sha256Digest, SidecarInfo};
use fs_err as fs;
use payload_splice::{
    BlockCache, CacheError, CompressedPayload, Finish, PackagePath, PayloadFile,
    deb::{self, DebError},
    rpm::{self, RpmError},
};

use crate::{
    command::CommandError,
    failure::{Diagnose, Fault, FileContext, FileError},
    parallel::try_map,
    plan::Target,
    stamp::Stamp,
    tools::Tools,
    workspace::{Cache, Workspace},
};

pub(crate) use base_deb::DebianBases;
pub(crate) use cache::SharedInputs;
pub(crate) use relations::Relations;
use verify::Expected;
pub(crate) use verify::VerifyError;

/// Unpacks every package whole and checks each digest in it; gives their number.
pub(crate) fn verify_deep(packages: &[Finished], jobs: NonZeroUsize) -> Result<usize, VerifyError> {
    Ok(try_map(jobs, packages, |package| verify::deep(&package.path, &package.target))?.len())
}

/// A sidecar's revision with its files, ready to be packaged.
#[derive(Debug)]
pub(crate) struct RevisionPayload {
    pub(crate) info: SidecarInfo,
    pub(crate) files: Vec<ReadyFile>,
    /// The newest glibc that any of the files needs.
    pub(crate) glibc_floor: Option<payload_intake::GlibcVersion>,
}

/// One payload file with its compressed form.
#[derive(Debug)]
pub(crate) struct ReadyFile {
    pub(crate) install_path: &'static str,
    pub(crate) mode: u32,
    pub(crate) source: PathBuf,
    pub(crate) compressed: CompressedPayload,
}

/// What all packages of one dist share.
#[derive(Debug)]
pub(crate) struct Packager<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) cache: &'a Cache,
    pub(crate) tools: &'a Tools,
    pub(crate) stamp: &'a Stamp,
    pub(crate) blocks: &'a BlockCache,
    pub(crate) inputs: SharedInputs,
    pub(crate) bases: DebianBases,
}

/// A finished package in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) target: Target,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    pub(crate) version: String,
    pub(crate) info: Option<SidecarInfo>,
    pub(crate) time: Duration,
    pub(crate) cached: bool,
}

/// A package that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackageError {
    #[error("{target}: cargo-deb failed")]
    CargoDeb { target: String, source: Box<cargo_deb::CargoDebError> },
    #[error("{target}: cargo-generate-rpm failed")]
    GenerateRpm { target: String, source: CommandError },
    #[error("{target}: [package.metadata.generate-rpm] has no `assets`")]
    NoAssets { target: String },
    #[error("{target}: {} is malformed", path.display())]
    Metadata { target: String, path: PathBuf, source: Box<toml::de::Error> },
    #[error("{target}: cannot finish the package")]
    Deb { target: String, source: Box<DebError> },
    #[error("{target}: cannot finish the package")]
    Rpm { target: String, source: Box<RpmError> },
    #[error(transparent)]
    Compress(#[from] CacheError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnose for PackageError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::GenerateRpm { source, .. } => source.hint(),
            Self::File(error) => error.hint(),
            Self::Compress(error) => error.hint(),
            _ => None,
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::File(error) => error.fault(),
            Self::GenerateRpm { source, .. } => source.fault(),
            _ => Fault::Ours,
        }
    }
}

impl Packager<'_> {
    /// Makes the package, or finds it in the cache: everything that goes into it is in the cache's key.
    pub(crate) fn make(&self, target: &Target, payload: Option<&RevisionPayload>) -> Result<Finished, PackageError> {
        let start = Instant::now();
        let key = self.inputs.key(target, self.stamp, payload);
        let version = match target.format {
            PackageFormat::Deb => self.stamp.version.debian(),
            PackageFormat::Rpm => self.stamp.version.rpm_evr(target.revision.as_ref()),
        };
        let path = self.cache.package(key);
        let (cached, (size, sha256)) = match cache::intact(&path) {
            Some(facts) => (true, facts),
            None => (false, self.build(target, payload, &path)?),
        };
        let info = payload.map(|payload| payload.info.clone());
        let target = target.clone();
        Ok(Finished { target, path, size, sha256, version, info, time: start.elapsed(), cached })
    }

    fn build(
        &self,
        target: &Target,
        payload: Option<&RevisionPayload>,
        path: &Path,
    ) -> Result<(u64, Sha256Digest), PackageError> {
        let relations = Relations::new(self.stamp, target, payload);
        let scratch = self.scratch_dir()?;
        let changelog = match target.format {
            PackageFormat::Deb => {
                let (blocks, level) = (self.blocks, self.inputs.level);
                Some(changelog::make(target.component, self.stamp, blocks, level, scratch.path())?)
            }
            PackageFormat::Rpm => None,
        };
        let payload_files = payload.map(|payload| &payload.files[..]).unwrap_or_default();
        let files: Vec<PayloadFile<'_>> = payload_files
            .iter()
            .chain(&changelog)
            .map(|file| PayloadFile {
                install_path: PackagePath::new(file.install_path).expect("install paths are constants"),
                mode: file.mode,
                payload: &file.compressed,
                source: &file.source,
            })
            .collect();

        let dir = path.parent().expect("cache paths have a folder");
        fs::create_dir_all(dir).while_("make a cache folder")?;
        let mut out = tempfile::NamedTempFile::new_in(dir).while_("make a package file")?;
        let finish = Finish { time: self.stamp.time, level: self.inputs.level };
        let written = match target.format {
            PackageFormat::Deb => {
                let base = self.bases.get(self, target)?;
                deb::splice(&base, &files, &relations.debian_edit(), finish, out.as_file_mut())
                    .map_err(|source| PackageError::Deb { target: target.to_string(), source: Box::new(source) })?
            }
            PackageFormat::Rpm => {
                let base = base_rpm::make(self, target, &relations, &files, scratch.path())?;
                rpm::splice(&base, &files, &relations.header_edit(), finish, out.as_file_mut())
                    .map_err(|source| PackageError::Rpm { target: target.to_string(), source: Box::new(source) })?
            }
        };
        let expected = Expected { target, relations: &relations, files: &files, program: self.inputs.program(target) };
        expected.verify(out.path())?;
        cache::keep(out, path, written)
    }

    /// A folder of this checkout that goes away with the value.
    fn scratch_dir(&self) -> Result<tempfile::TempDir, FileError> {
        let dir = self.workspace.scratch();
        fs::create_dir_all(&dir).while_("make a scratch folder")?;
        tempfile::tempdir_in(dir).while_("make a scratch folder")
    }
}
