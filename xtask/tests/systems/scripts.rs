//! The maintainer scripts by themselves.

use artifact::PackageFormat;

use super::{debian, packages::put};

#[test]
fn scripts_can_be_run_again_and_again() {
    let machine = debian().boot_alone();
    put(&machine, PackageFormat::Deb);
    machine.run("apt-get install -y ./agent.deb ./sidecar.deb");
    for package in ["onboarding-agent", "istio-sidecar"] {
        let script = |name: &str, args: &str| machine.run(&format!("/var/lib/dpkg/info/{package}.{name} {args}"));
        for _ in 0..2 {
            script("postinst", "configure ''");
            script("postinst", "configure 1:0.0.1-1");
            script("postinst", "abort-upgrade 1:0.0.1-1");
            script("postinst", "triggered nothing");
            script("prerm", "upgrade 1:9-1");
            script("postrm", "upgrade 1:9-1");
            script("postrm", "abort-install");
        }
        for _ in 0..2 {
            script("prerm", "remove");
            script("postrm", "remove");
            script("postrm", "purge");
        }
        // What they did to the machine is mended by the package.
        machine.run(&format!(
            "apt-get install -y --reinstall ./{}.deb",
            if package == "istio-sidecar" { "sidecar" } else { "agent" }
        ));
    }
}
