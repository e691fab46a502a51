//! `cargo xtask bench sidecar`: what a sidecar costs more under sidecar-wrapper.

mod lines;
mod start;

use std::num::NonZeroUsize;

use crate::{
    command::Cmd,
    failure::{FileContext, Outcome},
    preflight,
    setup::{self, Need},
    tools::Tools,
    ui::Ui,
    workspace::{Cache, Workspace},
};

/// Runs all ways in turn and prints the tables as Markdown.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, rounds: NonZeroUsize, install: bool, ui: &Ui) -> Outcome {
    let tools = Tools::new(cache);
    let needs = Need::for_logging();
    if install {
        setup::install(&needs, &tools, ui)?;
    }
    preflight::check_needs(&needs, &tools)?;
    ui.phase("build sidecar-wrapper, not measured");
    let build = ["build", "--quiet", "--locked", "--release", "--package", "sidecar-wrapper"];
    Cmd::new("cargo").dir(workspace.root()).args(build).run()?;
    let wrapper = workspace.target().join("release/sidecar-wrapper");
    let dir = tempfile::tempdir_in(workspace.target()).while_("make a scratch folder")?;
    let lines = lines::run(&wrapper, &dir.path().join("lines"), rounds, ui)?;
    let start = start::run(&wrapper, &workspace.default_dist(), &dir.path().join("start"), rounds, ui)?;
    crate::print(&format!("{lines}\n{start}"));
    Ok(())
}
