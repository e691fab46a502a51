//! Publishers that are killed in the middle.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use release_store::testing::Tree;

use crate::store::LocalStore;

/// `cargo xtask test` says 200.
const ROUNDS_VARIABLE: &str = "SLIPWAY_KILL_ROUNDS";
const ROUNDS: u32 = 40;

#[test]
fn leaves_the_old_release_or_the_new_one_whole_wherever_it_is_killed() {
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let dir = tempfile::tempdir().expect("a folder");
    let store = LocalStore::at(&dir.path().join("store"));
    let first = Tree::of_version("1:0-1");
    let start = Instant::now();
    assert_eq!(store.publish(&first).code, Some(0));
    // A publish takes about so long; it is killed at points spread over somewhat more.
    let whole = start.elapsed() + start.elapsed() / 4;

    let mut current = first.manifest.clone();
    let (mut killed, mut switched) = (0, 0);
    for round in 1..=rounds {
        let tree = Tree::of_version(&format!("1:{round}-1"));
        let mut process =
            store.publishing(&tree).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(point(whole, round, rounds));
        process.kill().expect("it is ours");
        killed += u32::from(process.wait().expect("it is ours").code().is_none());

        let found = store.current().manifest.clone();
        assert!(found == current || found == tree.manifest, "round {round}: neither the old nor the new release");
        switched += u32::from(found == tree.manifest);
        current = found;
        assert_eq!(store.verify().faults, [], "round {round}");
    }
    assert!(killed > 0, "every publish was over before it was killed: nothing was tried");
    assert!(switched < rounds, "no publish was killed before its commit: nothing was tried");

    let last = Tree::of_version("1:last-1");
    let run = store.publish(&last);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(store.current().manifest, last.manifest);
    assert_eq!(store.verify().faults, []);
}

/// Spread evenly, but not in order: each round finds what others left.
fn point(whole: Duration, round: u32, rounds: u32) -> Duration {
    whole * (round * 7 % rounds) / rounds
}
