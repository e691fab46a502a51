//! What the sidecar prints, in the journal.

use testkit::machine::Machine;

use super::{
    packages::write,
    sidecar::{installed, print},
};

/// Many more than the journal takes of a service that sets no limit of its own.
const LINES: usize = 200_000;

/// On the disk, as old lines would give way to new ones in memory, and however little room there is.
const JOURNALD: &str = "[Journal]\nStorage=persistent\nSystemMaxUse=2G\nSystemKeepFree=0\nRateLimitBurst=1000\n";

fn with_priority(machine: &Machine, priority: u8, text: &str) -> usize {
    let pattern = format!("\"PRIORITY\":\"{priority}\"");
    let count = machine.run(&format!("grep '{pattern}' journal | grep -c '\"MESSAGE\":\"{text}' || true"));
    count.trim().parse().expect("a number")
}

#[test]
fn every_line_is_in_the_journal_with_its_level() {
    let machine = installed();
    write(&machine, "/etc/systemd/journald.conf.d/test.conf", JOURNALD);
    machine.run("mkdir -p /var/log/journal && systemctl restart systemd-journald && journalctl --flush");
    print(
        &machine,
        &format!(
            "echo '[2026-01-01 00:00:00.000][1][error][config] [x.cc:1] an error' >&2\n\
             echo '[2026-01-01 00:00:00.000][1][info][main] [x.cc:1] a fact' >&2\nseq -f 'access %.0f' {LINES}"
        ),
    );
    machine.run("systemctl start istio");
    machine.run(&format!(
        "for attempt in $(seq 600); do journalctl --unit=istio --output=cat --lines=500 --no-pager | grep -q 'access {LINES}$' && break; sleep 0.2; done\n\
         systemctl stop istio\njournalctl --sync\n\
         journalctl --unit=istio --output=json --output-fields=PRIORITY,MESSAGE --no-pager > journal"
    ));
    assert_eq!(with_priority(&machine, 6, "access "), LINES);
    assert_eq!(with_priority(&machine, 3, ".* an error\""), 1);
    assert_eq!(with_priority(&machine, 6, ".* a fact\""), 1);
    // Envoy's own words.
    assert_eq!(with_priority(&machine, 4, ".*caught ENVOY_SIGTERM"), 1);
    // And the wrapper's.
    assert_eq!(with_priority(&machine, 6, "sidecar-wrapper: Envoy is ready"), 1);
}
