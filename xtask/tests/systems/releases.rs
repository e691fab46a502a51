//! Other releases than Debian 12, and Ubuntu.

use std::path::Path;

use artifact::PackageFormat;
use testkit::{machine::Image, release::Release};

use super::{
    deb::{assert_no_failed_unit, left_over},
    files::Files,
    packages::put,
    services::is_live,
};

fn lives_a_whole_life_on(release: Release) {
    let image = Image::release_in(Path::new(env!("CARGO_TARGET_TMPDIR")), release, "ca-certificates,curl,procps");
    let machine = image.boot_alone();
    put(&machine, PackageFormat::Deb);
    // As installers write it; curl of Debian 11 does not know it by itself.
    machine.run("echo 127.0.0.1 localhost >> /etc/hosts");
    let before = Files::of(&machine);
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb\nsystemctl enable --now istio");
    is_live(&machine);
    machine.run("apt-get install -y ./other-sidecar.deb");
    is_live(&machine);
    assert_no_failed_unit(&machine);
    let owners = machine.run("stat -c '%a %U' /var/lib/onboarding-agent /var/lib/istio");
    assert_eq!(owners, "700 onboarding-agent\n755 istio-proxy\n");
    machine.run("apt-get purge -y onboarding-agent istio-sidecar");
    assert_eq!(machine.run("pgrep --exact envoy || true"), "");
    assert_eq!(left_over(&machine, &before), "");
}

#[test]
fn packages_live_on_debian_11() {
    lives_a_whole_life_on(Release::Debian("bullseye"));
}

#[test]
fn packages_live_on_debian_13() {
    lives_a_whole_life_on(Release::Debian("trixie"));
}

#[test]
fn packages_live_on_ubuntu_22_04() {
    lives_a_whole_life_on(Release::Ubuntu("jammy"));
}

#[test]
fn packages_live_on_ubuntu_24_04() {
    lives_a_whole_life_on(Release::Ubuntu("noble"));
}

/// Its coreutils are in Rust.
#[test]
fn packages_live_on_ubuntu_26_04() {
    lives_a_whole_life_on(Release::Ubuntu("resolute"));
}
