//! Builds our own programs for every architecture, for old glibc, with the same bytes in every checkout.

use artifact::{Arch, Component, ReleaseTime};
use payload_intake::{
    GlibcVersion,
    elf::{self, ElfError},
};

use crate::{
    command::{Cmd, CommandError},
    failure::{Diagnose, Fault},
    toolchain::Toolchain,
    tools::Tools,
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
}

impl Diagnose for BuildError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cargo { source, .. } => source.hint(),
            _ => None,
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Cargo { .. } => Fault::User,
            _ => Fault::Ours,
        }
    }
}

/// One cargo call for all programs and architectures; cargo decides what is still fresh.
pub(crate) fn build(
    workspace: &Workspace,
    tools: &Tools,
    toolchain: Toolchain,
    components: &[Component],
    arches: &[Arch],
    time: ReleaseTime,
    offline: bool,
) -> Result<(), BuildError> {
    let command = command(workspace, tools, toolchain, components, arches, time, offline);
    let programs = components.iter().map(|component| component.cargo_package()).collect::<Vec<_>>().join(" and ");
    command.run().map_err(|source| BuildError::Cargo { programs, source })?;
    for &component in components {
        for &arch in arches {
            check(workspace, component, arch)?;
        }
    }
    Ok(())
}

fn command(
    workspace: &Workspace,
    tools: &Tools,
    toolchain: Toolchain,
    components: &[Component],
    arches: &[Arch],
    time: ReleaseTime,
    offline: bool,
) -> Cmd {
    // Panic messages name source files: by a path that is the same in every checkout.
    let remap = |from: String, to: &str| format!("--remap-path-prefix={from}={to}");
    let cargo_home = std::env::var("CARGO_HOME")
        .unwrap_or_else(|_| std::env::home_dir().unwrap_or_default().join(".cargo").display().to_string());
    let flags =
        [remap(cargo_home, "/usr/src/cargo"), remap(workspace.root().display().to_string(), "/usr/src/slipway")];
    let mut command = Cmd::new(tools.cargo_zigbuild())
        .dir(workspace.root())
        .args(["zigbuild", "--quiet", "--release", "--locked"])
        .env("PATH", tools.path_with_zig())
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", workspace.target())
        .env("SOURCE_DATE_EPOCH", time.unix().to_string());
    for component in components {
        command = command.args(["--package", component.cargo_package()]);
    }
    for arch in arches {
        command = command.args(["--target", &format!("{}.{OWN_GLIBC_FLOOR}", arch.target())]);
    }
    if offline {
        command = command.arg("--offline");
    }
    toolchain.apply(command)
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
