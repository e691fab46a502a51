//! The packages under test, as files in a machine's /root.

use std::path::{Path, PathBuf};

use artifact::{Arch, PackageFormat, Revision};
use testkit::machine::Machine;

fn dist() -> PathBuf {
    std::env::var_os("SLIPWAY_DIST").expect("SLIPWAY_DIST names a dist tree: run `cargo xtask test`").into()
}

fn documented(format: PackageFormat, arch: Arch, name: &str) -> PathBuf {
    let extension = format.extension();
    dist().join("install").join(extension).join(arch.debian()).join(format!("{name}.{extension}"))
}

/// The amd64 package of a component, at its documented path.
pub(crate) fn path(format: PackageFormat, name: &str) -> PathBuf {
    documented(format, Arch::Amd64, name)
}

/// The DEB for arm64.
pub(crate) fn arm64(name: &str) -> PathBuf {
    documented(PackageFormat::Deb, Arch::Arm64, name)
}

fn of_revision(format: PackageFormat, revision: &Revision) -> PathBuf {
    let extension = format.extension();
    let folder = dist().join("install/istio-sidecar").join(revision.as_str()).join(extension);
    folder.join(Arch::Amd64.debian()).join(format!("istio-sidecar.{extension}"))
}

/// Another revision than the default one.
pub(crate) const OTHER_REVISION: &str = "1-28";

/// Every revision of the tree.
pub(crate) const REVISIONS: [&str; 3] = ["default", OTHER_REVISION, "1-30"];

/// `sidecar-<revision>.rpm` for each of them.
pub(crate) fn put_revisions(machine: &Machine) {
    for name in REVISIONS {
        let revision = Revision::new(name).expect("valid");
        machine.put(&of_revision(PackageFormat::Rpm, &revision), &format!("root/sidecar-{name}.rpm"));
    }
}

/// `agent.deb`, `sidecar.deb` and `other-sidecar.deb`, or the same as `.rpm`.
pub(crate) fn put(machine: &Machine, format: PackageFormat) {
    let other = of_revision(format, &Revision::new(OTHER_REVISION).expect("valid"));
    for (package, name) in [
        (path(format, "onboarding-agent"), "agent"),
        (path(format, "istio-sidecar"), "sidecar"),
        (other, "other-sidecar"),
    ] {
        machine.put(&package, &format!("root/{name}.{}", format.extension()));
    }
}

/// `old-agent.deb` and `old-sidecar.deb`: stand-ins for the version before, with the files of this one and a lower version.
/// `change` is a script that is run where the unpacked package stands.
pub(crate) fn put_older(machine: &Machine, change: &str) {
    for name in ["agent", "sidecar"] {
        machine.run(&format!(
            "dpkg-deb -R {name}.deb old && cd old && sed -i 's/^Version: .*/Version: 1:0.0.1-1/' DEBIAN/control && {change}\n\
             cd .. && dpkg-deb -Znone -b old old-{name}.deb && rm -r old"
        ));
    }
}

/// Text that a machine is to have in a file.
pub(crate) fn write(machine: &Machine, path: &str, text: &str) {
    let file = machine.file(path);
    std::fs::create_dir_all(file.parent().unwrap_or_else(|| Path::new("/"))).expect("our own root");
    std::fs::write(file, text).expect("our own root");
}
