//! What is on a machine that was not there before.

use std::collections::BTreeSet;

use testkit::machine::Machine;

/// Every file but those of running systems: their databases, logs and caches, and what `/root` has of the test itself.
pub(crate) struct Files(BTreeSet<String>);

const LOOK: &str = "find / -xdev \\( -path /dev -o -path /proc -o -path /run -o -path /sys -o -path /tmp -o -path /root -o -path /var/tmp \
     -o -path /var/cache -o -path /var/log -o -path /var/lib/apt -o -path /var/lib/dnf -o -path /var/lib/dpkg -o -path /var/lib/rpm \
     -o -path /var/lib/systemd -o -name '*.pyc' \\) -prune -o -printf '%M %u:%g %p %l\\n'";

impl Files {
    /// All that there are now.
    pub(crate) fn of(machine: &Machine) -> Self {
        Self(machine.run(LOOK).lines().map(|line| line.trim_end().to_owned()).collect())
    }

    /// One line for each that is there now and was not, with mode, owner and group, sorted by path.
    pub(crate) fn since(&self, before: &Self) -> String {
        let mut new: Vec<&String> = self.0.difference(&before.0).collect();
        new.sort_by_key(|line| line.split_whitespace().nth(2));
        new.into_iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
    }

    /// What was there before and is not any more, or not as it was.
    pub(crate) fn missing_since(&self, before: &Self) -> String {
        before.since(self)
    }
}
