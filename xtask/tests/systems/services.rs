//! The units, under a running systemd.

use testkit::machine::Machine;

use super::{
    deb::{assert_no_failed_unit, booted},
    packages::{OTHER_REVISION, put_older, write},
};

/// What the agent will do in a later version; here it is a stand-in, so that there is something to restart.
const STAND_IN: &str = "[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n";

fn pid(machine: &Machine, unit: &str) -> String {
    machine.run(&format!("systemctl show --property=MainPID --value {unit}")).trim().to_owned()
}

/// Envoy answers, soon.
pub(crate) fn is_live(machine: &Machine) {
    machine.wait_until("curl -sf http://localhost:15000/ready | grep -qx LIVE");
}

#[test]
fn an_upgrade_restarts_what_runs_and_nothing_else() {
    let machine = booted();
    write(&machine, "/etc/systemd/system/onboarding-agent.service.d/stand-in.conf", STAND_IN);
    put_older(&machine, "true");
    machine.run("apt-get install -y ./old-agent.deb ./old-sidecar.deb\nsystemctl enable --now onboarding-agent istio");
    is_live(&machine);
    let before = ["onboarding-agent", "istio"].map(|unit| pid(&machine, unit));
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb");
    is_live(&machine);
    let after = ["onboarding-agent", "istio"].map(|unit| pid(&machine, unit));
    assert!(before.iter().zip(&after).all(|(before, after)| before != after && after != "0"), "{before:?} {after:?}");

    machine.run("systemctl stop onboarding-agent istio\napt-get install -y --reinstall ./agent.deb ./sidecar.deb");
    assert_eq!(["onboarding-agent", "istio"].map(|unit| pid(&machine, unit)), ["0", "0"]);

    machine.run("systemctl start onboarding-agent istio\napt-get remove -y onboarding-agent istio-sidecar");
    assert_eq!(machine.run("pgrep --exact envoy || true"), "", "removed and still running");
    assert_no_failed_unit(&machine);
}

#[test]
fn a_running_sidecar_switches_its_revision_with_its_package() {
    let machine = booted();
    let version = || machine.run("curl -sf http://localhost:15000/server_info | grep -m1 '\"version\"'");
    machine.run("apt-get install -y ./sidecar.deb\nsystemctl start istio");
    is_live(&machine);
    let first = version();
    machine.run("apt-get install -y ./other-sidecar.deb");
    is_live(&machine);
    assert_ne!(version(), first);
    assert_eq!(machine.run("dpkg-query -W -f '${Istio-Revision}' istio-sidecar"), OTHER_REVISION);
    machine.run("apt-get install -y ./sidecar.deb");
    is_live(&machine);
    assert_eq!(version(), first);
}

#[test]
fn units_are_hardened_and_say_to_the_journal_what_is_wrong() {
    let machine = booted();
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb");
    for unit in ["onboarding-agent.service", "istio.service"] {
        machine
            .run(&format!("systemd-analyze verify --man=no {unit} && systemd-analyze security --threshold=25 {unit}"));
    }
    let (ok, _) =
        machine.try_run("systemctl start onboarding-agent && sleep 1 && systemctl is-active onboarding-agent");
    assert!(!ok, "there is no configuration");
    let journal = machine.run("journalctl --unit=onboarding-agent --output=cat --no-pager");
    assert!(journal.contains("/etc/onboarding-agent/onboarding.config.yaml"), "{journal}");
    assert_eq!(
        machine.run("systemctl show --property=ActiveState --value onboarding-agent"),
        "failed\n",
        "it is tried again"
    );
}

#[test]
fn units_can_write_where_their_programs_do_and_take_nothing_from_others() {
    let machine = booted();
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb\necho A=1 > /var/lib/istio/envoy/cluster.env\nchmod 600 /var/lib/istio/envoy/cluster.env");
    let places = [
        ("onboarding-agent", "/var/lib/onboarding-agent /var/lib/istio/data /var/log/onboarding-agent /tmp"),
        ("istio", "/var/lib/istio /var/lib/istio/data /run/secrets /tmp"),
    ];
    for (unit, places) in places {
        let script =
            format!("for place in {places}; do touch $place/probe || exit 1; done; ! touch /etc/probe /usr/probe");
        let service = format!("[Service]\nExecStart=\nExecStart=/bin/sh -c '{script}'\nType=oneshot\nRestart=no\n");
        write(&machine, &format!("/etc/systemd/system/{unit}.service.d/probe.conf"), &service.replace('$', "$$"));
        machine.run(&format!(
            "systemctl daemon-reload\nsystemctl start {unit} || {{ journalctl --unit={unit} --no-pager; exit 1; }}"
        ));
    }
    // Each has a folder of its own at that place.
    machine.run("test -e /var/lib/istio/data/probe && test -e /var/lib/onboarding-agent/istio-data/probe");
    assert_eq!(machine.run("stat -c '%a %U' /var/lib/istio/envoy/cluster.env"), "600 root\n");
}
