//! rpm and dnf, on a Debian that stands in for a distribution with RPMs: it has systemd, a shell and the tools that the scripts use.

use std::collections::BTreeSet;

use artifact::PackageFormat;
use testkit::machine::Machine;

use super::{
    deb::assert_no_failed_unit,
    debian,
    files::Files,
    packages::{REVISIONS, put, put_revisions, write},
};

/// What the packages require of the distribution.
const STAND_IN: &str = "\
Name: distribution-stand-in
Version: 1
Release: 1
Summary: Stand-in for the shell and the C library
License: none
Provides: /bin/sh
Provides: libc.so.6(GLIBC_2.17)(64bit)
Provides: libc.so.6(GLIBC_2.30)(64bit)
%description
Stand-in for the shell and the C library.
%files
";

const STAND_IN_SERVICE: &str = "[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n";

const DNF: &str = "dnf --setopt=reposdir=/dev/null --releasever=9 --nogpgcheck -y";

fn booted() -> Machine {
    let machine = debian().boot_alone();
    put(&machine, PackageFormat::Rpm);
    stand_in(&machine);
    machine
}

fn stand_in(machine: &Machine) {
    write(machine, "/root/stand-in.spec", STAND_IN);
    machine.run(
        "rpmbuild --quiet -bb --define '_topdir /root/rpm' stand-in.spec && rpm --nodeps -i rpm/RPMS/*/distribution-stand-in-1-1.*.rpm",
    );
}

#[test]
fn any_order_installs_the_same_and_little_is_left() {
    let machine = booted();
    let before = Files::of(&machine);
    let mut installed = Vec::new();
    for commands in [
        format!("{DNF} install ./agent.rpm\n{DNF} install ./sidecar.rpm"),
        format!("{DNF} install ./sidecar.rpm ./agent.rpm"),
        "rpm -i agent.rpm\nrpm -i sidecar.rpm".to_owned(),
    ] {
        machine.run(&commands);
        let files = Files::of(&machine).since(&before);
        installed.push(
            files
                .lines()
                .filter(|line| !line.ends_with('-'))
                .map(|line| format!("{line}\n"))
                .collect::<Vec<_>>()
                .concat(),
        );
        for unit in ["onboarding-agent.service", "istio.service"] {
            let (_, state) =
                machine.try_run(&format!("systemctl is-enabled {unit} || true; systemctl is-active {unit}"));
            assert_eq!(state, "disabled\ninactive\n", "{unit} after {commands}");
        }
        machine.run(&format!("{DNF} reinstall ./agent.rpm ./sidecar.rpm\n{DNF} remove onboarding-agent istio-sidecar"));
        let left = Files::of(&machine).since(&before);
        // RPM knows no purge: state stays.
        let state = ["/var/lib/istio", "/var/lib/onboarding-agent", "/etc/istio", "/etc/certs"];
        // What useradd keeps of the files before, and a folder of licences that other distributions have.
        let is_expected = |path: &str| {
            state.iter().any(|state| path.starts_with(state)) || path.ends_with('-') || path == "/usr/share/licenses"
        };
        let other: Vec<_> = left.lines().filter(|line| !line.split(' ').nth(2).is_some_and(is_expected)).collect();
        assert!(other.is_empty(), "left over after {commands}: {other:?}");
        assert_no_failed_unit(&machine);
        machine.run("rm -r /var/lib/istio /var/lib/onboarding-agent /etc/istio /etc/certs");
    }
    assert!(installed.iter().all(|files| *files == installed[0]), "{installed:#?}");
    insta::assert_snapshot!("installed-rpm", installed[0]);
}

#[test]
fn what_runs_is_restarted_by_a_switch_and_ended_by_a_removal() {
    let machine = booted();
    let pid = || machine.run("systemctl show --property=MainPID --value istio").trim().to_owned();
    machine.run(&format!("{DNF} install ./sidecar.rpm\nsystemctl enable --now istio"));
    let mut last = pid();
    for package in ["other-sidecar", "sidecar"] {
        machine.run(&format!("{DNF} install ./{package}.rpm"));
        let now = pid();
        assert!(now != last && now != "0", "{package}: {last} {now}");
        last = now;
    }
    machine.run("systemctl is-enabled istio");
    // The agent's, with a stand-in for what it does in a later version.
    write(&machine, "/etc/systemd/system/onboarding-agent.service.d/stand-in.conf", STAND_IN_SERVICE);
    let agent = || machine.run("systemctl show --property=MainPID --value onboarding-agent").trim().to_owned();
    machine.run(&format!("{DNF} install ./agent.rpm\nsystemctl enable --now onboarding-agent"));
    machine.run("echo '# edited' >> /etc/onboarding-agent/agent.config.yaml");
    let before = agent();
    machine.run(&format!("{DNF} reinstall ./agent.rpm"));
    assert!(agent() != before && agent() != "0", "{before} {}", agent());
    assert!(machine.run("cat /etc/onboarding-agent/agent.config.yaml").ends_with("# edited\n"));
    machine.run(&format!("{DNF} remove onboarding-agent"));
    assert_eq!(machine.run("pgrep --exact sleep || true"), "");
    machine.run(&format!("systemctl stop istio\n{DNF} install ./other-sidecar.rpm"));
    assert_eq!(pid(), "0", "what was stopped stays so");
    machine.run(&format!("systemctl start istio\n{DNF} remove istio-sidecar"));
    assert_eq!(machine.run("pgrep --exact envoy || true"), "");
    assert_eq!(machine.run("find /etc/systemd/system -name istio.service"), "");
}

#[test]
fn no_transaction_waits_for_long_for_a_sidecar_that_is_not_ready() {
    let machine = booted();
    machine.run(&format!("{DNF} install ./sidecar.rpm"));
    let never_ready = format!("{STAND_IN_SERVICE}TimeoutStartSec=infinity\n");
    write(&machine, "/etc/systemd/system/istio.service.d/stand-in.conf", &never_ready);
    machine.run("systemctl daemon-reload && systemctl start --no-block istio");
    let text = machine.run(&format!("timeout 70 {DNF} reinstall ./sidecar.rpm 2>&1"));
    assert!(text.contains("the sidecar is not ready again: see systemctl status istio"), "{text}");
    machine.run(&format!("{DNF} remove istio-sidecar"));
    assert_eq!(machine.run("pgrep --exact sleep || true"), "");
}

#[test]
fn dnf_switches_between_all_revisions_in_both_directions() {
    let machine = debian().boot_alone();
    put_revisions(&machine);
    let (ok, text) = machine.try_run(&format!("{DNF} install ./sidecar-default.rpm"));
    assert!(!ok && text.contains("GLIBC_2."), "a system without that glibc must refuse: {text}");
    stand_in(&machine);
    let mut versions = BTreeSet::new();
    // Every ordered pair stands next to each other once.
    for index in [0, 1, 2, 0, 2, 1, 0] {
        let revision = REVISIONS[index];
        machine.run(&format!("{DNF} install ./sidecar-{revision}.rpm"));
        let installed = machine.run("rpm --query istio-sidecar");
        assert_eq!(installed.lines().count(), 1, "one at a time: {installed}");
        versions.insert(installed);
        let said =
            machine.run("sidecar-wrapper version && sidecar-wrapper version | grep '  /usr/' | sha256sum --check");
        assert!(
            said.contains(&format!("revision         {revision}\n")) && said.contains("/usr/local/bin/envoy: OK"),
            "{said}"
        );
    }
    assert_eq!(versions.len(), REVISIONS.len());
}

#[test]
fn a_configuration_that_was_there_first_stays() {
    let machine = booted();
    write(&machine, "/etc/onboarding-agent/agent.config.yaml", "# my own\n");
    machine.run(&format!("{DNF} install ./agent.rpm\n{DNF} reinstall ./agent.rpm"));
    assert_eq!(machine.run("cat /etc/onboarding-agent/agent.config.yaml"), "# my own\n");
}
