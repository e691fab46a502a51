//! `cargo xtask bench serve`: repo-server beside the servers that people would take instead.

mod fixture;
mod load;
mod peer;

use std::{fmt::Write as _, num::NonZeroUsize};

use fixture::Fixture;
use load::{Load, Slow, slow_clients};
use peer::Peer;

use crate::{
    command::Cmd,
    failure::Outcome,
    preflight,
    setup::{self, Need},
    tools::Tools,
    ui::Ui,
    workspace::{Cache, Workspace},
};

/// Runs all loads against all servers, round after round, and prints the table as Markdown.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, rounds: NonZeroUsize, install: bool, ui: &Ui) -> Outcome {
    let tools = Tools::new(cache);
    let needs = Need::for_serving();
    if install {
        setup::install(&needs, &tools, ui)?;
    }
    preflight::check_needs(&needs, &tools)?;
    ui.phase("build repo-server, not measured");
    Cmd::new("cargo")
        .dir(workspace.root())
        .args(["build", "--quiet", "--locked", "--profile", "server", "--package", "repo-server"])
        .run()?;
    let fixture = Fixture::new(&workspace.target())?;

    let mut costs = vec![vec![Vec::new(); Peer::ALL.len()]; Load::ALL.len()];
    let mut slow = Vec::new();
    for round in 1..=rounds.get() {
        for (column, peer) in Peer::ALL.into_iter().enumerate() {
            ui.phase(&format!("round {round} of {rounds}: {}", peer.name()));
            // A fresh process each time: memory and caches of one load do not colour the next round.
            let server = peer.start(workspace, &tools, &fixture)?;
            for (row, load) in Load::ALL.into_iter().enumerate() {
                costs[row][column].push(load.run(&server, &fixture)?);
            }
            if round == 1 {
                slow.push(slow_clients(&server, &fixture)?);
            }
        }
    }
    crate::print(&table(&costs, &slow, rounds));
    Ok(())
}

fn median(costs: &[f64]) -> f64 {
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn table(costs: &[Vec<Vec<f64>>], slow: &[Slow], rounds: NonZeroUsize) -> String {
    let names: Vec<&str> = Peer::ALL.iter().map(|peer| peer.name()).collect();
    let nginx = Peer::ALL.iter().position(|peer| *peer == Peer::Nginx).expect("it is there");
    let mut text = format!(
        "CPU time of the server as a share of nginx's; medians of {rounds} rounds.\n\n| load | goal | {} | nginx alone |\n|---|---|{}---|\n",
        names.join(" | "),
        "---|".repeat(names.len()),
    );
    for (load, columns) in Load::ALL.into_iter().zip(costs) {
        let base = median(&columns[nginx]);
        let shares: Vec<String> = columns.iter().map(|costs| format!("{:.2}", median(costs) / base)).collect();
        let _ = writeln!(
            text,
            "| {} | {:.2} | {} | {base:.1} {} |",
            load.name(),
            load.goal(),
            shares.join(" | "),
            load.unit()
        );
    }
    let memory: Vec<String> = slow.iter().map(|slow| format!("{} KiB", slow.memory >> 10)).collect();
    let threads: Vec<String> = slow.iter().map(|slow| slow.threads.to_string()).collect();
    let _ = writeln!(text, "| anonymous memory of each of 200 slow TLS clients | 64 KiB | {} | |", memory.join(" | "));
    let _ = writeln!(text, "| threads more with them | 4 | {} | |", threads.join(" | "));
    text
}
