//! `cargo xtask bench publish`: a dist tree into a local store, and what copying and hashing it by hand costs.

use std::num::NonZeroUsize;

use fs_err as fs;

use super::measure::{Cost, measure, median};
use crate::{
    command::Cmd,
    failure::{FileContext, Outcome},
    preflight,
    setup::Need,
    tools::Tools,
    ui::Ui,
    workspace::{Cache, Workspace},
};

/// Runs both ways in turn and prints the table as Markdown.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, rounds: NonZeroUsize, ui: &Ui) -> Outcome {
    let time = Need::Program { program: "time", package: "time", purpose: "benchmark" };
    preflight::check_needs(&[time], &Tools::new(cache))?;
    let tree = workspace.default_dist();
    let dir = tempfile::tempdir_in(workspace.target()).while_("make a scratch folder")?;
    let (store, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let publish = Cmd::new(std::env::current_exe().while_("find this program")?)
        .args(["publish", "--store"])
        .arg(format!("file://{}", store.display()))
        .arg("--from")
        .arg(&tree);
    let script =
        "cp -r \"$1\" \"$2\" && find \"$2\" -name '*.deb' -o -name '*.rpm' | xargs sha256sum && sync -f \"$2\"";
    let by_hand = Cmd::new("sh").args(["-c", script, "sh"]).arg(&tree).arg(&copy);

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds.get() {
        ui.phase(&format!("round {round} of {rounds}"));
        ours.push(measure(&publish)?);
        theirs.push(measure(&by_hand)?);
        for made in [&store, &copy] {
            fs::remove_dir_all(made).while_("empty the benchmark's folder")?;
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let row = |name: &str, cost: Cost| {
        let (cpu, wall) = (cost.cpu / theirs.cpu, cost.wall / theirs.wall);
        format!("| {name} | {:.2} | {cpu:.2} | {:.2} | {wall:.2} |\n", cost.cpu, cost.wall)
    };
    crate::print(&format!(
        "Medians of {rounds} rounds; both ways end with the bytes on the disk.\n\n| way | CPU s | share | wall s | share |\n|---|---|---|---|---|\n{}{}",
        row("cargo xtask publish", ours),
        row("cp -r, sha256sum, sync", theirs)
    ));
    Ok(())
}
