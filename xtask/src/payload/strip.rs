//! Taking symbols and debugging sections out of payload programs.

use std::path::Path;

use artifact::Arch;

use crate::command::{Cmd, CommandError};

/// A `strip` that knows an architecture. Its version is part of the lock, since another one may write other bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strip {
    arch: Arch,
}

impl Strip {
    pub(crate) const fn new(arch: Arch) -> Self {
        Self { arch }
    }

    /// GNU's name of the program, the same on both kinds of host.
    pub(crate) const fn program(self) -> &'static str {
        match self.arch {
            Arch::Amd64 => "x86_64-linux-gnu-strip",
            Arch::Arm64 => "aarch64-linux-gnu-strip",
        }
    }

    /// The Debian package that has it.
    pub(crate) const fn debian_package(self) -> &'static str {
        match self.arch {
            Arch::Amd64 => "binutils-x86-64-linux-gnu",
            Arch::Arm64 => "binutils-aarch64-linux-gnu",
        }
    }

    /// Name and version, the same on every host: `aarch64-linux-gnu-strip 2.40`.
    pub(crate) fn identity(self) -> Result<String, CommandError> {
        let text = Cmd::new(self.program()).arg("--version").text()?;
        let version = text.lines().next().and_then(|line| line.split_whitespace().last()).unwrap_or_default();
        Ok(format!("{} {version}", self.program()))
    }

    /// Strips `from` into `to`.
    pub(crate) fn run(self, from: &Path, to: &Path) -> Result<(), CommandError> {
        // `--enable-deterministic-archives` is about archives only; ELF output holds no time and no path.
        Cmd::new(self.program()).args(["--strip-unneeded", "-o"]).arg(to).arg(from).output().map(drop)
    }
}
