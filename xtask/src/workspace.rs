//! Where everything stands: the only maker of paths in the work tree and in the cache.

use std::path::{Path, PathBuf};

use artifact::{Arch, Component, PackageFormat, Sha256Digest};
use fs_err as fs;

use crate::{
    failure::{FileContext, FileError},
    files,
};

/// A checkout of Slipway.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The folder above the one that cargo built xtask from.
    pub(crate) fn current() -> Self {
        let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: manifest_dir.parent().expect("xtask is a folder of the workspace").to_owned() }
    }

    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The licence that every package carries.
    pub(crate) fn license(&self) -> PathBuf {
        self.root.join("LICENSE")
    }

    /// The files that a component's packages take from the tree, besides the licence.
    pub(crate) fn component_files(&self, component: Component) -> PathBuf {
        self.packaging().join(component.folder())
    }

    /// The workspace's `Cargo.toml`.
    pub(crate) fn cargo_toml(&self) -> PathBuf {
        self.root.join("Cargo.toml")
    }

    /// The `Cargo.toml` whose `[package.metadata.*]` describes a component's packages.
    pub(crate) fn component_cargo_toml(&self, component: Component) -> PathBuf {
        self.root.join(component.folder()).join("Cargo.toml")
    }

    /// The data folder of everything that is packaged.
    pub(crate) fn packaging(&self) -> PathBuf {
        self.root.join("packaging")
    }

    /// The mesh operator's file, unless `--manifest` names another.
    pub(crate) fn default_manifest(&self) -> PathBuf {
        self.packaging().join("revisions.toml")
    }

    /// Every shell script in the tree.
    pub(crate) fn shell_scripts(&self) -> Result<Vec<PathBuf>, FileError> {
        let mut scripts: Vec<_> = [".ci/run", "xtask/src/setup/install.sh"].map(|script| self.root.join(script)).into();
        for component in Component::ALL {
            for format in PackageFormat::ALL {
                let folder = self.component_files(component).join(format.extension());
                for entry in fs::read_dir(folder).while_("list the packages' scripts")? {
                    scripts.push(entry.while_("list the packages' scripts")?.path());
                }
            }
        }
        scripts.sort();
        Ok(scripts)
    }

    /// Cargo's own output folder.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// A program of ours, built for `arch`.
    pub(crate) fn program(&self, component: Component, arch: Arch) -> PathBuf {
        self.target().join(arch.target()).join("release").join(component.cargo_package())
    }

    /// repo-server, built to be fast.
    pub(crate) fn server_program(&self) -> PathBuf {
        self.target().join("server").join("repo-server")
    }

    /// The finished dist tree, unless `--out` names another.
    pub(crate) fn default_dist(&self) -> PathBuf {
        self.target().join("dist")
    }

    /// Scratch space of xtask; may be deleted at any time.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.target().join("xtask")
    }
}

/// What outlives a checkout: downloads, compressed payloads, finished packages and tools.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    /// Downloads and tools.
    root: PathBuf,
    /// What can be made anew from them.
    derived: PathBuf,
}

impl Cache {
    /// The variable that moves the cache.
    pub(crate) const VARIABLE: &'static str = "SLIPWAY_CACHE";

    /// The variable that moves what can be made anew.
    pub(crate) const DERIVED_VARIABLE: &'static str = "SLIPWAY_DERIVED_CACHE";

    /// `$SLIPWAY_CACHE`, else `$XDG_CACHE_HOME/slipway`, else `~/.cache/slipway`.
    pub(crate) fn from_env() -> Self {
        let dir = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = dir(Self::VARIABLE)
            .or_else(|| dir("XDG_CACHE_HOME").map(|dir| dir.join("slipway")))
            .unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".cache/slipway"));
        Self { derived: dir(Self::DERIVED_VARIABLE).unwrap_or_else(|| root.clone()), root }
    }

    /// The same downloads and tools, with nothing made from them yet.
    pub(crate) fn with_derived(&self, derived: PathBuf) -> Self {
        Self { root: self.root.clone(), derived }
    }

    /// Scratch space on the same file system as the downloads.
    pub(crate) fn unpack(&self) -> PathBuf {
        self.root.join("unpack")
    }

    /// Removes what killed runs left unfinished, where it cannot be another run's.
    pub(crate) fn sweep(&self) {
        for dir in [self.unpack(), self.blocks(), self.descriptions(), self.packages()] {
            files::sweep(&dir);
        }
    }

    /// Payload archives as they were downloaded.
    pub(crate) fn archive(&self, digest: Sha256Digest) -> PathBuf {
        self.root.join("archives").join(digest.to_string())
    }

    /// Payload files as they are installed.
    pub(crate) fn member(&self, digest: Sha256Digest) -> PathBuf {
        self.root.join("members").join(digest.to_string())
    }

    /// Unfinished downloads.
    pub(crate) fn partial(&self, url: &str) -> PathBuf {
        self.root.join("partial").join(Sha256Digest::of(url.as_bytes()).to_string())
    }

    /// Payload files, compressed.
    pub(crate) fn blocks(&self) -> PathBuf {
        self.derived.join("blocks")
    }

    /// Descriptions of revisions, as they are installed.
    pub(crate) fn descriptions(&self) -> PathBuf {
        self.derived.join("descriptions")
    }

    fn packages(&self) -> PathBuf {
        self.derived.join("packages")
    }

    /// Finished packages, by the digest of all that went into them.
    pub(crate) fn package(&self, key: Sha256Digest) -> PathBuf {
        self.packages().join(key.to_string())
    }

    /// Tools that no distribution package provides, one folder for each version of each.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }
}
