//! Builds our own programs for every architecture, for old glibc, with the same bytes in every checkout.

use std::{fs::File, io};

use artifact::{Arch, Component, ReleaseTime};
use fs_err as fs;
use payload_intake::{
    GlibcVersion,
    elf::{self, ElfError},
};

use crate::{
    command::{Cmd, CommandError},
    failure::{Diagnose, Fault, FileContext, FileError},
    files,
    toolchain::Toolchain,
    tools::Tools,
    ui::Ui,
    workspace::Workspace,
};

/// The glibc of RHEL 7, below every system that a payload runs on.
pub(crate) const OWN_GLIBC_FLOOR: &str = "2.17";

/// A program of ours that cannot be built as promised.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cannot build {programs}")]
    Cargo { programs: String, source: CommandError },
    #[error("{program} for {arch} is no usable program")]
    Elf { program: &'static str, arch: Arch, source: ElfError },
    #[error("{program} for {arch} is built for {found}")]
    Machine { program: &'static str, arch: Arch, found: Arch },
    #[error("{program} for {arch} needs glibc {found}, at most {OWN_GLIBC_FLOOR} is promised")]
    Glibc { program: &'static str, arch: Arch, found: GlibcVersion },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Diagnose for BuildError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cargo { source, .. } => source.hint(),
            Self::File(error) => error.hint(),
            _ => None,
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Cargo { .. } | Self::File(_) => Fault::User,
            _ => Fault::Ours,
        }
    }
}

/// What is built, and with what.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) tools: &'a Tools,
    pub(crate) toolchain: Toolchain,
    pub(crate) components: &'a [Component],
    pub(crate) arches: &'a [Arch],
    pub(crate) time: ReleaseTime,
    pub(crate) offline: bool,
}

impl Build<'_> {
    /// One cargo call for all programs and architectures; cargo decides what is still fresh.
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), BuildError> {
        let _turn = self.turn(ui).while_("lock the build folder")?;
        let programs: Vec<_> = self.components.iter().map(|component| component.cargo_package()).collect();
        let mut command = self.command();
        // On a terminal cargo draws a bar of its own.
        if !ui.is_terminal() {
            command = command.arg("--quiet");
        }
        command.run().map_err(|source| BuildError::Cargo { programs: programs.join(" and "), source })?;
        for &component in self.components {
            for &arch in self.arches {
                check(self.workspace, component, arch)?;
            }
        }
        Ok(())
    }

    /// cargo-zigbuild writes its linker scripts before cargo takes any lock, so a second run could find them half-written.
    fn turn(&self, ui: &Ui) -> io::Result<File> {
        let dir = self.workspace.scratch();
        fs::create_dir_all(&dir)?;
        let file = File::create(dir.join("build.lock"))?;
        files::lock(&file, || ui.line("        waits for another build in this checkout"))?;
        Ok(file)
    }

    fn command(&self) -> Cmd {
        // Panic messages name source files: by a path that is the same in every checkout.
        let remap = |from: String, to: &str| format!("--remap-path-prefix={from}={to}");
        let cargo_home = std::env::var("CARGO_HOME")
            .unwrap_or_else(|_| std::env::home_dir().unwrap_or_default().join(".cargo").display().to_string());
        let root = self.workspace.root();
        let flags = [remap(cargo_home, "/usr/src/cargo"), remap(root.display().to_string(), "/usr/src/slipway")];
        let mut command = Cmd::new(self.tools.cargo_zigbuild())
            .dir(root)
            .args(["zigbuild", "--release", "--locked"])
            .env("PATH", self.tools.path_with_zig())
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .env("CARGO_TARGET_DIR", self.workspace.target())
            // The linker scripts of this checkout, which only its runs write.
            .env("CARGO_ZIGBUILD_CACHE_DIR", self.workspace.scratch().join("zigbuild"))
            .env("SOURCE_DATE_EPOCH", self.time.unix().to_string());
        for component in self.components {
            command = command.args(["--package", component.cargo_package()]);
        }
        for arch in self.arches {
            command = command.args(["--target", &format!("{}.{OWN_GLIBC_FLOOR}", arch.target())]);
        }
        if self.offline {
            command = command.arg("--offline");
        }
        self.toolchain.apply(command)
    }
}

fn check(workspace: &Workspace, component: Component, arch: Arch) -> Result<(), BuildError> {
    let program = component.cargo_package();
    let facts = elf::inspect(&workspace.program(component, arch)).map_err(|source| BuildError::Elf {
        program,
        arch,
        source,
    })?;
    if facts.machine != arch {
        return Err(BuildError::Machine { program, arch, found: facts.machine });
    }
    let floor: GlibcVersion = OWN_GLIBC_FLOOR.parse().expect("a constant");
    match facts.glibc_floor {
        Some(found) if found > floor => Err(BuildError::Glibc { program, arch, found }),
        _ => Ok(()),
    }
}
