//! From a dist tree to a running virtual machine, by the commands of the guide: `cargo xtask publish`, `repo-server serve`
//! over TLS, and in a booted Debian 12 curl, sha256sum and apt-get.
//!
//! Built only with the feature `dist-tree`; `cargo xtask test` names the tree and the program that publishes it.

#![cfg(feature = "dist-tree")]
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use testkit::machine::Image;

/// The server's name on the machine, and the loopback address that it listens on: with the port of HTTPS, so that the
/// commands need no port.
const ENDPOINT: &str = "onboarding-endpoint.test";
const ADDRESS: &str = "127.0.0.87";

fn named(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`")).into()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// repo-server with a certificate of its own; ends with the value.
struct Server(Child);

impl Server {
    fn start(store: &str, dir: &Path) -> Self {
        let (certificate, key) = (dir.join("tls.crt"), dir.join("tls.key"));
        let pair = rcgen::generate_simple_self_signed([ENDPOINT.to_owned()]).expect("a certificate");
        std::fs::write(&certificate, pair.cert.pem()).expect("our own folder");
        std::fs::write(&key, pair.signing_key.serialize_pem()).expect("our own folder");
        let mut process = Command::new(env!("CARGO_BIN_EXE_repo-server"))
            .args(["serve", "--store", store, "--listen", &format!("{ADDRESS}:443"), "--access-log", "off"])
            .arg("--tls-cert")
            .arg(&certificate)
            .arg("--tls-key")
            .arg(&key)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let mut said = String::new();
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines().map_while(Result::ok);
        // It listens before it has a release, and says so of both.
        while !(said.contains("listening") && said.contains("serving")) {
            said += &lines.next().unwrap_or_else(|| panic!("no server: {said}"));
        }
        std::thread::spawn(move || lines.for_each(drop));
        Self(process)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_guide_works_word_for_word_on_a_booted_machine() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = format!("file://{}", dir.path().join("store").display());
    run(Command::new(named("SLIPWAY_XTASK")).args(["publish", "--store", &store, "--from"]).arg(named("SLIPWAY_DIST")));
    let _server = Server::start(&store, dir.path());

    let machine = Image::bootable("ca-certificates,curl,sudo").boot();
    std::fs::copy(dir.path().join("tls.crt"), machine.file("usr/local/share/ca-certificates/endpoint.crt"))
        .expect("our own root");
    machine.run(&format!("update-ca-certificates && echo {ADDRESS} {ENDPOINT} >> /etc/hosts"));

    for package in ["onboarding-agent", "istio-sidecar"] {
        let said = machine.run(&format!(
            "curl -fLO \"https://{ENDPOINT}/install/deb/amd64/{package}.deb\"\n\
             curl -fLO \"https://{ENDPOINT}/install/deb/amd64/{package}.deb.sha256\"\n\
             sha256sum --check {package}.deb.sha256\n\
             sudo apt-get install -y ./{package}.deb\n"
        ));
        assert!(said.contains(&format!("{package}.deb: OK")), "{said}");
        assert!(machine.run(&format!("dpkg -s {package}")).contains("Status: install ok installed"));
    }
    assert!(machine.run("onboarding-agent --version").contains("onboarding-agent"));
    assert!(machine.run("envoy --version").contains("version:"));

    // Another revision by its own URI, and back by the documented one.
    for (path, revision) in [("istio-sidecar/1-28/deb/amd64", "1-28"), ("deb/amd64", "default")] {
        machine.run(&format!(
            "curl -fLO \"https://{ENDPOINT}/install/{path}/istio-sidecar.deb\"\n\
             curl -fLO \"https://{ENDPOINT}/install/{path}/istio-sidecar.deb.sha256\"\n\
             sha256sum --check istio-sidecar.deb.sha256\n\
             sudo apt-get install -y ./istio-sidecar.deb\n"
        ));
        assert_eq!(machine.run("dpkg-query -W -f '${Istio-Revision}' istio-sidecar").trim(), revision);
    }
}
