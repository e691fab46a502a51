//! The programs that VMs download with, and a judge of HTTP.

use std::{fs, path::Path};

use super::{
    server::{Server, run},
    tls::{self, Pairs},
    tree::{CHECKSUM, PACKAGE, Tree},
};

const SIZE: usize = 12_000_000;

fn half(tree: &Tree, dir: &Path) -> Vec<u8> {
    let whole = fs::read(tree.file(PACKAGE)).expect("it is in the tree");
    fs::write(dir.join("istio-sidecar.deb"), &whole[..SIZE / 2]).expect("our own folder");
    whole
}

#[test]
fn interrupted_downloads_are_resumed() {
    let tree = Tree::new(0, SIZE);
    let server = Server::start(&tree);
    let url = server.url(PACKAGE);
    for (program, args) in [
        ("curl", &["-fsSL", "-C", "-", "-O", &url][..]),
        ("wget", &["-q", "-c", &url]),
        ("aria2c", &["-q", "-c", "-x8", "-s8", "-k1M", &url]),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let whole = half(&tree, dir.path());
        let (ok, text) = run(dir.path(), program, args);
        assert!(ok, "{program}: {text}");
        assert!(fs::read(dir.path().join("istio-sidecar.deb")).expect("it is there") == whole, "{program}");
    }
}

#[test]
fn a_whole_download_is_not_fetched_again() {
    let tree = Tree::new(0, SIZE);
    let server = Server::start(&tree);
    let dir = tempfile::tempdir().expect("a folder");
    let url = server.url(PACKAGE);
    assert!(run(dir.path(), "curl", &["-fsSLO", &url]).0);
    // A complete file: 416, which curl takes for done.
    let (ok, text) = run(dir.path(), "curl", &["-sSL", "-C", "-", "-O", &url]);
    assert!(ok, "{text}");
    let sent = server.metric("slipway_sent_bytes_total");
    let (ok, text) = run(dir.path(), "curl", &["-fsSL", "-z", "istio-sidecar.deb", "-O", &url]);
    assert!(ok, "{text}");
    assert_eq!(server.metric("slipway_sent_bytes_total"), sent);
}

#[test]
fn aria2_with_eight_connections_checks_the_digest_by_itself() {
    let tree = Tree::new(0, SIZE);
    let server = Server::start(&tree);
    let dir = tempfile::tempdir().expect("a folder");
    let (ok, text) = run(dir.path(), "aria2c", &["-x8", "-s8", "-k1M", &server.url(PACKAGE)]);
    assert!(ok, "{text}");
    assert!(text.contains("Verification finished successfully"), "{text}");
    let whole = fs::read(tree.file(PACKAGE)).expect("it is in the tree");
    assert!(fs::read(dir.path().join("istio-sidecar.deb")).expect("it is there") == whole);
}

#[test]
fn curl_with_a_private_ca_another_name_and_without_checks() {
    let (tree, pairs) = (Tree::new(0, 1000), Pairs::new());
    let server = tls::start(&tree, &pairs, &[]);
    let (port, ca) = (server.address.port(), pairs.path("tls.crt").display().to_string());
    let url = format!("https://mirror.test:{port}{CHECKSUM}");
    let to = format!("mirror.test:{port}:127.0.0.1:{port}");
    let direct = format!("https://127.0.0.1:{port}{CHECKSUM}");
    for args in [&["--cacert", &ca, "--connect-to", &to, &url][..], &["-k", &direct]] {
        let (ok, text) = run(Path::new("/"), "curl", &[&["-fsSL"], args].concat());
        assert!(ok && text.ends_with("  istio-sidecar.deb\n"), "{args:?}: {text}");
    }
    let (ok, text) = run(Path::new("/"), "curl", &["-fsSL", &direct]);
    assert!(!ok && text.contains("certificate"), "{text}");
}

#[test]
fn the_documented_commands_word_for_word() {
    let (tree, pairs) = (Tree::new(0, 300_000), Pairs::new());
    let server = tls::start(&tree, &pairs, &[]);
    let dir = tempfile::tempdir().expect("a folder");
    // curl reads its own settings from the home folder: the commands themselves stay as they are documented.
    let settings = format!(
        "cacert = {}\nresolve = mirror.test:{}:127.0.0.1\nsilent\nshow-error\n",
        pairs.path("tls.crt").display(),
        server.address.port()
    );
    fs::write(dir.path().join(".curlrc"), settings).expect("our own folder");
    for package in ["onboarding-agent.deb", "istio-sidecar.deb"] {
        let script = format!(
            "export HOME=\"$PWD\"\nset -e\n\
             curl -fLO \"https://mirror.test:{port}/install/deb/amd64/{package}\"\n\
             curl -fLO \"https://mirror.test:{port}/install/deb/amd64/{package}.sha256\"\n\
             sha256sum --check {package}.sha256\n",
            port = server.address.port()
        );
        assert_eq!(run(dir.path(), "bash", &["-c", &script]), (true, format!("{package}: OK\n")));
    }
}
