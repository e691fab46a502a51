//! Debian 12: apt and dpkg.

use artifact::PackageFormat;
use testkit::machine::Machine;

use super::{
    debian,
    files::Files,
    packages::{put, put_older, write},
};

const CONFIG: &str = "/etc/onboarding-agent/agent.config.yaml";
/// What useradd keeps of the files before.
const BACKUPS: [&str; 4] = ["/etc/group-", "/etc/gshadow-", "/etc/passwd-", "/etc/shadow-"];

pub(crate) fn booted() -> Machine {
    let machine = debian().boot_alone();
    put(&machine, PackageFormat::Deb);
    machine
}

fn without_backups(files: &str) -> String {
    let is_backup = |line: &&str| BACKUPS.iter().any(|backup| line.contains(backup));
    files.lines().filter(|line| !is_backup(line)).map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
}

/// What is there now and was not before, or the other way round.
pub(crate) fn left_over(machine: &Machine, before: &Files) -> String {
    let after = Files::of(machine);
    without_backups(&after.since(before)) + &after.missing_since(before)
}

/// Nothing failed that did not fail before.
pub(crate) fn assert_no_failed_unit(machine: &Machine) {
    let failed =
        machine.run("systemctl list-units --state=failed --no-legend --plain | grep -e istio -e onboarding || true");
    assert_eq!(failed, "");
}

#[test]
fn any_order_installs_the_same_and_purge_leaves_nothing() {
    let machine = booted();
    let before = Files::of(&machine);
    let mut installed = Vec::new();
    for commands in [
        "apt-get install -y ./agent.deb\napt-get install -y ./sidecar.deb",
        "apt-get install -y ./sidecar.deb\napt-get install -y ./agent.deb",
        "apt-get install -y ./agent.deb ./sidecar.deb",
        "dpkg -i ./sidecar.deb ./agent.deb",
        "dpkg --force-all -i ./agent.deb ./sidecar.deb",
    ] {
        machine.run(commands);
        installed.push(without_backups(&Files::of(&machine).since(&before)));
        assert_eq!(machine.run("getent passwd onboarding-agent istio-proxy | wc -l"), "2\n");
        for unit in ["onboarding-agent.service", "istio.service"] {
            let (_, state) =
                machine.try_run(&format!("systemctl is-enabled {unit} || true; systemctl is-active {unit}"));
            assert_eq!(state, "disabled\ninactive\n", "{unit} after {commands}");
        }
        assert_no_failed_unit(&machine);
        machine.run(
            "apt-get install -y --reinstall ./agent.deb ./sidecar.deb\napt-get purge -y onboarding-agent istio-sidecar",
        );
        assert_eq!(left_over(&machine, &before), "", "after {commands}");
    }
    assert!(installed.iter().all(|files| *files == installed[0]), "{installed:#?}");
    insta::assert_snapshot!("installed-deb", installed[0]);
}

#[test]
fn a_configuration_that_was_there_first_stays_and_nobody_is_asked() {
    let machine = booted();
    let own = "apiVersion: config.agent.onboarding.tetrate.io/v1alpha1\nkind: AgentConfiguration\n# my own\n";
    write(&machine, CONFIG, own);
    write(&machine, "/etc/onboarding-agent/onboarding.config.yaml", "# mine, too\n");
    let read = || machine.run(&format!("cat {CONFIG}"));
    put_older(&machine, "true");
    // Every step with stdin closed: a question would be an error.
    for command in ["./old-agent.deb", "./agent.deb", "--reinstall ./agent.deb"] {
        machine.run(&format!("apt-get install -y {command} <&-"));
        assert_eq!(read(), own, "{command}");
    }
    machine.run("apt-get remove -y onboarding-agent");
    assert_eq!(read(), own, "remove keeps the configuration");
    machine.run("test -d /var/lib/onboarding-agent");
    machine.run("apt-get install -y ./agent.deb <&-");
    assert_eq!(read(), own);
    machine.run("apt-get purge -y onboarding-agent");
    let left = machine.run("ls -A /etc/onboarding-agent");
    assert_eq!(left, "onboarding.config.yaml\n", "what is the user's is the user's");
    machine.run("! test -e /var/lib/onboarding-agent");
}

#[test]
fn an_edited_configuration_survives_an_upgrade_that_brings_another() {
    let machine = booted();
    put_older(
        &machine,
        "if test -e etc/onboarding-agent; then echo '# of the version before' >> etc/onboarding-agent/agent.config.yaml; fi",
    );
    machine.run(&format!("apt-get install -y ./old-agent.deb && echo '# edited' >> {CONFIG}"));
    // dpkg asks about this one, as it should; the answer of those who cannot be asked is to keep what there is.
    machine.run("apt-get install -y -o Dpkg::Options::=--force-confold ./agent.deb <&-");
    assert!(machine.run(&format!("cat {CONFIG}")).ends_with("# edited\n"));
    // Who edited nothing gets the new one.
    machine.run(
        "apt-get purge -y onboarding-agent && apt-get install -y ./old-agent.deb && apt-get install -y ./agent.deb <&-",
    );
    assert!(!machine.run(&format!("cat {CONFIG}")).contains("of the version before"));
}

#[test]
fn removal_works_after_much_was_deleted_by_hand() {
    let machine = booted();
    machine.run(
        "apt-get install -y ./agent.deb ./sidecar.deb\nsystemctl enable onboarding-agent istio\n\
         rm -rf /usr/lib/systemd/system/onboarding-agent.service /usr/lib/systemd/system/istio.service /etc/onboarding-agent /etc/istio \
         /var/lib/onboarding-agent /var/lib/istio\nuserdel onboarding-agent\nuserdel istio-proxy\n\
         apt-get purge -y onboarding-agent istio-sidecar",
    );
    let links = machine.run("find /etc/systemd/system /var/lib/systemd -name '*istio*' -o -name '*onboarding*'");
    assert_eq!(links, "");
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb");
    assert_no_failed_unit(&machine);
}

#[test]
fn purge_goes_through_where_something_cannot_be_removed() {
    let machine = booted();
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb\nsystemctl enable onboarding-agent istio\nmount -t tmpfs tmpfs /var/lib/istio");
    machine.run("mount --bind /etc /etc && mount -o remount,bind,ro /etc");
    machine.run("apt-get remove -y onboarding-agent istio-sidecar\ndpkg --purge istio-sidecar");
    assert!(!machine.try_run("dpkg -s istio-sidecar").0);
    machine.run("umount /etc /var/lib/istio && dpkg --purge onboarding-agent");
}

#[test]
fn a_group_that_is_there_is_taken() {
    let machine = booted();
    machine.run(
        "groupadd --system onboarding-agent\nmv /usr/bin/systemd-sysusers /root\ndpkg -i ./agent.deb ./sidecar.deb",
    );
    let groups = machine.run("id -gn onboarding-agent && id -gn istio-proxy");
    assert_eq!(groups, "onboarding-agent\nistio-proxy\n");
}

/// A stand-in for Istio's own package, with its paths, its unit's `clean`, and a mark for the iptables rules.
const UPSTREAM: &str = "mkdir -p up/DEBIAN up/usr/local/bin up/lib/systemd/system up/var/lib/istio/envoy
printf 'Package: istio-sidecar\\nVersion: 1.29.6\\nArchitecture: amd64\\nMaintainer: x <x@x>\\nDescription: x\\n' > up/DEBIAN/control
echo /var/lib/istio/envoy/sidecar.env > up/DEBIAN/conffiles; echo '# A=1' > up/var/lib/istio/envoy/sidecar.env
printf '#!/bin/sh\\nif [ \"$1\" = clean ]; then rm -f /run/rules; exit; fi\\ntouch /run/rules; exec sleep infinity\\n' > up/usr/local/bin/istio-start.sh
chmod 755 up/usr/local/bin/istio-start.sh
printf '[Service]\\nExecStart=/usr/local/bin/istio-start.sh\\nExecStopPost=/usr/local/bin/istio-start.sh clean\\n[Install]\\nWantedBy=multi-user.target\\n' > up/lib/systemd/system/istio.service
dpkg-deb -b up upstream.deb";

#[test]
fn istios_own_package_is_replaced_and_its_rules_go_with_it() {
    let machine = booted();
    machine.run(UPSTREAM);
    machine.run("apt-get install -y ./upstream.deb && systemctl daemon-reload && systemctl enable --now istio && sleep 1 && test -e /run/rules");
    machine.run("apt-get install -y ./sidecar.deb </dev/null");
    machine.run("! test -e /run/rules && ! test -e /usr/local/bin/istio-start.sh");
    assert_eq!(machine.try_run("systemctl is-active istio").1, "inactive\n", "it is another program now");
    assert_eq!(machine.run("cat /var/lib/istio/envoy/sidecar.env"), "# A=1\n");
}

#[test]
fn what_was_enabled_stays_so_until_purge() {
    let machine = booted();
    let enabled = |unit: &str| machine.try_run(&format!("systemctl is-enabled {unit}")).1;
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb\nsystemctl enable onboarding-agent istio");
    machine.run(
        "apt-get install -y --reinstall ./agent.deb ./sidecar.deb\napt-get remove -y onboarding-agent istio-sidecar",
    );
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb");
    assert_eq!((enabled("onboarding-agent"), enabled("istio")), ("enabled\n".to_owned(), "enabled\n".to_owned()));
    machine.run("apt-get purge -y onboarding-agent istio-sidecar\napt-get install -y ./agent.deb ./sidecar.deb");
    assert_eq!((enabled("onboarding-agent"), enabled("istio")), ("disabled\n".to_owned(), "disabled\n".to_owned()));
}

#[test]
fn an_etc_that_cannot_be_written_is_survived() {
    let machine = booted();
    let (ok, text) = machine.try_run("mount --bind /etc /etc && mount -o remount,bind,ro /etc && dpkg -i ./sidecar.deb; ok=$?; umount /etc; exit $ok");
    assert!(ok && text.contains("create it before the service is started"), "{text}");
    machine.run("dpkg -i ./sidecar.deb");
    machine.run("id istio-proxy");
}

#[test]
fn an_image_without_systemd_gets_users_and_directories() {
    let image = testkit::machine::Image::new("ca-certificates");
    let root = image.copy();
    for name in ["onboarding-agent", "istio-sidecar"] {
        let package = super::packages::path(PackageFormat::Deb, name);
        std::fs::copy(package, root.file(&format!("root/{name}.deb"))).expect("our own root");
    }
    let _ = root.run("! command -v systemd-sysusers\napt-get install -y ./onboarding-agent.deb ./istio-sidecar.deb");
    let owners = root.run(
        "stat -c '%a %U:%G %n' /var/lib/onboarding-agent /var/lib/istio /var/lib/istio/envoy && readlink /etc/istio",
    );
    assert_eq!(
        owners,
        "700 onboarding-agent:onboarding-agent /var/lib/onboarding-agent\n755 istio-proxy:istio-proxy /var/lib/istio\n\
         755 istio-proxy:istio-proxy /var/lib/istio/envoy\n/var/lib/istio\n"
    );
    let _ = root.run("apt-get purge -y onboarding-agent istio-sidecar && ! ls -d /var/lib/istio /var/lib/onboarding-agent /etc/istio /etc/onboarding-agent");
}
