//! Two runs at once, and runs that are killed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    make,
    site::{Says, Site},
    snapshot::Snapshot,
};

/// A run that ends with the value.
struct Started(Child);

impl Started {
    fn dist(site: &Site) -> Self {
        let mut command = site.command(&["dist", "--format", "deb"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("xtask can be started"))
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid]).status();
        assert!(sent.expect("sh is there").success());
    }

    /// Waits for a phase. The lock is taken before `fetch` is said.
    fn reads_until(&mut self, phase: &str) {
        let mut lines = BufReader::new(self.0.stderr.as_mut().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with(phase)), "the run never said `{phase}`");
    }

    /// Waits for a moment of the run, or for its end.
    fn waits_for(&mut self, moment: impl Fn() -> bool) {
        while !moment() && self.0.try_wait().expect("our child").is_none() {}
    }

    fn kill(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_second_of_two_runs_is_refused_and_the_first_goes_on() {
    let site = Site::good();
    let old = site.tree();
    site.write(Site::PAYLOAD, make::large_program(10));
    site.succeeds(&["lock"]);
    let mut first = Started::dist(&site);
    first.reads_until(" fetch");
    first.signal("STOP");

    let run = site.run(&["dist", "--format", "deb"]);
    Says(&["another run is writing", &site.out.display().to_string()], "--out").are_said_by(&run);
    assert_eq!(site.tree(), old);

    first.signal("CONT");
    assert!(first.0.wait().expect("our child").success());
    assert_ne!(site.tree(), old);
    site.left_nothing();
}

#[test]
fn two_runs_to_different_folders_do_not_wait_for_each_other() {
    let site = Site::good();
    let tree = site.tree();
    site.clear_cache();
    let mut first = Started::dist(&site);
    let site = site.with_out("elsewhere");
    site.dist_succeeds();
    assert!(first.0.wait().expect("our child").success());
    assert_eq!(site.tree(), tree);
    assert_eq!(site.with_out("out").tree(), tree);
}

/// A good tree, and all that the next dist needs. What that makes is the second value.
fn before_a_new_tree() -> (Site, Snapshot) {
    let site = Site::good();
    site.write(Site::PAYLOAD, make::large_program(1_000_000));
    site.succeeds(&["lock"]);
    let before = Snapshot::read(&site.path(""));
    site.dist_succeeds();
    (site, before)
}

#[test]
fn a_run_that_is_killed_at_any_moment_leaves_a_whole_tree() {
    let (site, before) = before_a_new_tree();
    let new = site.tree();
    let old = Site::good().tree();
    assert_ne!(old, new);

    let (mut killed_before, mut killed_in_writing) = (0, 0);
    let mut round = |site: &Site, kill_at: &dyn Fn(&mut Started)| {
        let mut run = Started::dist(site);
        kill_at(&mut run);
        run.kill();
        let tree = site.tree();
        assert!(tree == old || tree == new, "a half-written tree: {tree:?}");
        killed_before += usize::from(tree == old);
        killed_in_writing += usize::from(site.new_tree().exists());

        site.dist_succeeds();
        assert_eq!(site.tree(), new, "the run after a kill");
        assert!(!site.new_tree().exists());
    };

    // In steps over the whole run.
    let start = Instant::now();
    Started::dist(&site).0.wait().expect("our child");
    let whole = start.elapsed();
    for step in 0..8 {
        let site = Site::of(&before);
        round(&site, &|_| std::thread::sleep(whole * step / 7));
    }
    // Closely around the writing of the tree and the swap.
    for step in 0..8 {
        let site = Site::of(&before);
        let new_tree = site.new_tree();
        round(&site, &|run| {
            run.waits_for(|| new_tree.exists());
            std::thread::sleep(Duration::from_micros(400) * step);
        });
    }
    assert!(
        killed_before >= 4 && killed_in_writing >= 1,
        "{killed_before}, {killed_in_writing}: all kills were too late"
    );
}
