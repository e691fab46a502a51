//! Who is told that it may listen below 1024: the program itself, as users and in networks that differ.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use artifact::{Revision, SidecarInfo};
use tempfile::TempDir;

const CAPABILITY: &str = "+net_bind_service";

/// A root file system from which a sidecar could join, and the program, for everybody to run.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("our own");
        let machine = Self(directory);
        let version = |text: &str| text.parse().expect("semver");
        let revision = Revision::new("1-29").expect("valid");
        let info = SidecarInfo::new(revision, version("1.29.6"), version("1.37.0"), true, Vec::new());
        for (path, content) in [
            ("usr/share/istio-sidecar/revision.json", info.to_json().as_str()),
            ("var/lib/istio/envoy/cluster.env", include_str!("golden/default/cluster.env")),
            ("etc/istio/config/mesh", include_str!("golden/default/mesh.yaml")),
            ("etc/certs/root-cert.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
            ("var/run/secrets/tokens/istio-token", "a.b.c"),
        ] {
            let path = machine.root().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("our own");
            fs::write(path, content).expect("our own");
        }
        fs::copy(env!("CARGO_BIN_EXE_sidecar-wrapper"), machine.program()).expect("our own");
        machine
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    fn program(&self) -> PathBuf {
        self.0.path().join("sidecar-wrapper")
    }

    /// Whether istiod is told to leave out low ports, if a program that starts another with `words` starts the wrapper.
    fn is_unprivileged(&self, words: &[&str]) -> bool {
        let (first, rest) = words.split_first().expect("a program");
        let mut command = Command::new(first);
        command.args(rest).arg(self.program()).args(["run", "--print-command", "--root"]).arg(self.root());
        // A network of its own has no address to find.
        let output = command.env("INSTANCE_IP", "192.0.2.4").output().expect("util-linux is installed");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("INSTANCE_IP"), "{output:?}");
        text.contains("ISTIO_META_UNPRIVILEGED_POD=true")
    }
}

fn nobody<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], more].concat()
}

#[test]
fn a_capability_counts_if_a_child_has_it() {
    let machine = Machine::new();
    assert!(!machine.is_unprivileged(&["env"]), "root");
    assert!(machine.is_unprivileged(&["setpriv", "--bounding-set=-net_bind_service"]), "root without it");
    assert!(machine.is_unprivileged(&nobody(&[])));
    let ambient = ["--inh-caps", CAPABILITY, "--ambient-caps", CAPABILITY];
    assert!(!machine.is_unprivileged(&nobody(&ambient)));
    assert!(machine.is_unprivileged(&nobody(&ambient[..2])), "a child does not get it");
    grant(&machine.program());
    assert!(machine.is_unprivileged(&nobody(&[])), "it is the file's, and a child is another file");
}

#[test]
fn ports_that_are_open_to_all_count_if_they_are_all_ports() {
    let machine = Machine::new();
    for (start, expected) in [("0", false), ("1", false), ("80", true), ("1024", true)] {
        let script = format!("echo {start} >/proc/sys/net/ipv4/ip_unprivileged_port_start && exec \"$@\"");
        let network = ["unshare", "--net", "sh", "-c", &script, "sh"];
        assert_eq!(machine.is_unprivileged(&[&network[..], &nobody(&[])].concat()), expected, "{start}");
    }
}

/// As `setcap cap_net_bind_service+ep` does it, which not every machine has.
fn grant(program: &Path) {
    /// Version 2 of `linux/capability.h`, with the effective bit; `CAP_NET_BIND_SERVICE` is number 10 of the permitted ones.
    const GRANT: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(program, "security.capability", &GRANT, flags).expect("root may");
}
