//! The Rust compiler for our own programs: the one that runs now, or Debian's pair where rustup cannot bring the target.

use std::path::{Path, PathBuf};

use artifact::Arch;

use crate::command::Cmd;

/// One compiler builds all architectures of a dist, so that a release has one provenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// `cargo` and `rustc` as found on `PATH`.
    Current,
    /// Debian's `cargo-web` and `rustc-web`, which have a standard library for each architecture.
    Debian,
}

impl Toolchain {
    /// The packages of Debian 12; [`Self::DEBIAN_FOREIGN`] is installed once for each foreign architecture.
    pub(crate) const DEBIAN: [&'static str; 3] = ["rustc-web", "cargo-web", "libstd-rust-web-dev"];
    pub(crate) const DEBIAN_FOREIGN: &'static str = "libstd-rust-web-dev";

    /// The first that can build for all of `arches`.
    pub(crate) fn find(arches: &[Arch]) -> Option<Self> {
        [Self::Current, Self::Debian]
            .into_iter()
            .find(|toolchain| arches.iter().all(|&arch| toolchain.builds_for(arch)))
    }

    fn rustc(self) -> &'static Path {
        Path::new(match self {
            Self::Current => "rustc",
            Self::Debian => "/usr/bin/rustc",
        })
    }

    pub(crate) fn cargo(self) -> &'static Path {
        Path::new(match self {
            Self::Current => "cargo",
            Self::Debian => "/usr/bin/cargo",
        })
    }

    /// Whether the standard library for `arch` is there.
    fn builds_for(self, arch: Arch) -> bool {
        let dir = Cmd::new(self.rustc()).args(["--print", "target-libdir", "--target", arch.target()]).text();
        let Ok(entries) = dir.map(PathBuf::from).map(std::fs::read_dir) else { return false };
        let is_std = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("libstd-");
        entries.is_ok_and(|entries| entries.flatten().any(|entry| is_std(&entry.file_name())))
    }

    /// Makes `command` use this compiler.
    pub(crate) fn apply(self, command: Cmd) -> Cmd {
        match self {
            Self::Current => command,
            Self::Debian => command.env("CARGO", self.cargo()).env("RUSTC", self.rustc()),
        }
    }
}
