//! The programs that VMs download with.

use std::{fs, path::Path};

use super::{
    raw::get,
    server::{Server, run},
    tls::{self, Pairs},
    tree::{CHECKSUM, MODIFIED, PACKAGE, Tree},
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
    let resolve = format!("mirror.test:{port}:127.0.0.1");
    for args in [
        &["--cacert", &ca, "--connect-to", &to, &url][..],
        &["--cacert", &ca, "--resolve", &resolve, &url],
        &["-k", &direct],
    ] {
        let (ok, text) = run(Path::new("/"), "curl", &[&["-fsSL"], args].concat());
        assert!(ok && text.ends_with("  istio-sidecar.deb\n"), "{args:?}: {text}");
    }
    let (ok, text) = run(Path::new("/"), "curl", &["-fsSL", &direct]);
    assert!(!ok && text.contains("certificate"), "{text}");
}

/// A client, what tells it whom to trust, what it is told besides, and what comes before the URL.
type Client<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

#[test]
fn every_client_takes_a_package_from_a_server_with_a_private_ca_and_from_no_other() {
    const URLLIB: &str = "import shutil, ssl, sys, urllib.request as request\n\
        context = ssl.create_default_context(cafile=sys.argv[2] if len(sys.argv) > 2 else None)\n\
        shutil.copyfileobj(request.urlopen(sys.argv[1], context=context), open('istio-sidecar.deb', 'wb'))\n";
    let (tree, pairs) = (Tree::new(0, SIZE), Pairs::new());
    let server = tls::start(&tree, &pairs, &[]);
    let whole = fs::read(tree.file(PACKAGE)).expect("it is in the tree");
    let sum = format!("SHA256:{}", &fs::read_to_string(tree.file(CHECKSUM)).expect("it is in the tree")[..64]);
    let url = format!("https://localhost:{}{PACKAGE}", server.address.port());
    let ca = pairs.path("tls.crt").display().to_string();
    let (flag, acquire) = (format!("--ca-certificate={ca}"), format!("Acquire::https::CaInfo={ca}"));
    let clients: [Client; 8] = [
        ("curl", &["--cacert", &ca], &["-fsSLO", &url]),
        ("curl", &["--cacert", &ca], &["-fsSLO", "--http1.1", &url]),
        ("curl", &["--cacert", &ca], &["-fsSLO", "-0", &url]),
        ("curl", &["-k"], &["-fsSLO", &url]),
        ("wget", &[&flag], &["-q", &url]),
        ("aria2c", &[&flag], &["-q", "-x8", "-s8", "-k1M", &url]),
        // What apt-get downloads with; as it stands, it would do so as another user, who may not write here.
        (
            "/usr/lib/apt/apt-helper",
            &["-o", &acquire],
            &["-o", "APT::Sandbox::User=root", "download-file", &url, "istio-sidecar.deb", &sum],
        ),
        ("python3", &[&ca], &["-c", URLLIB, &url]),
    ];
    for (program, trust, args) in clients {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("istio-sidecar.deb");
        let (ok, text) = run(dir.path(), program, args);
        assert!(!ok && fs::read(&file).unwrap_or_default().is_empty(), "{program} {args:?} trusts anybody: {text}");
        // Python takes its arguments in an order of its own.
        let all = if program == "python3" { [args, trust].concat() } else { [trust, args].concat() };
        let (ok, text) = run(dir.path(), program, &all);
        assert!(ok, "{program} {all:?}: {text}");
        assert!(fs::read(&file).expect("it is there") == whole, "{program} {all:?}");
    }
}

#[test]
fn apt_goes_on_where_it_stopped_if_the_date_is_still_the_same() {
    let tree = Tree::new(0, SIZE);
    let server = Server::start(&tree);
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("istio-sidecar.deb");
    let half_of = |tree: &Tree| {
        let whole = half(tree, dir.path());
        let date = httpdate::parse_http_date(MODIFIED).expect("a date");
        fs::File::options().append(true).open(&file).and_then(|file| file.set_modified(date)).expect("our own file");
        whole
    };
    let download = || {
        let sent = server.metric("slipway_sent_bytes_total");
        let args = ["-o", "APT::Sandbox::User=root", "download-file", &server.url(PACKAGE), "istio-sidecar.deb"];
        let (ok, text) = run(dir.path(), "/usr/lib/apt/apt-helper", &args);
        assert!(ok, "{text}");
        let whole = |server: &Server| server.metric("slipway_sent_bytes_total") - sent;
        (fs::read(&file).expect("it is there"), whole(&server))
    };
    let whole = half_of(&tree);
    let (got, sent) = download();
    assert!(got == whole);
    assert_eq!(sent, SIZE as u64 / 2);

    // The first half of what is gone is worth nothing.
    half_of(&tree);
    tree.write(1, SIZE);
    let new = fs::read(tree.file(PACKAGE)).expect("it is in the tree");
    server.wait_until("served it", |server| get(server.address, PACKAGE).body == new);
    let (got, sent) = download();
    assert!(got == new);
    assert_eq!(sent, SIZE as u64);
}

#[test]
fn wget_with_timestamps_fetches_only_what_is_newer() {
    let tree = Tree::new(0, SIZE);
    let server = Server::start(&tree);
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("istio-sidecar.deb");
    let fetch = || {
        let sent = server.metric("slipway_sent_bytes_total");
        let (ok, text) = run(dir.path(), "wget", &["--timestamping", "-nv", &server.url(PACKAGE)]);
        assert!(ok, "{text}");
        server.metric("slipway_sent_bytes_total") - sent
    };
    assert_eq!((fetch(), fetch()), (SIZE as u64, 0));
    tree.write(1, SIZE);
    let new = fs::read(tree.file(PACKAGE)).expect("it is in the tree");
    server.wait_until("served it", |server| get(server.address, PACKAGE).body == new);
    assert_eq!((fetch(), fetch()), (SIZE as u64, 0));
    assert!(fs::read(&file).expect("it is there") == new);
}

#[test]
fn dnf_installs_a_package_by_its_url() {
    const RPM: &str = "/install/rpm/amd64/onboarding-agent.rpm";
    const SPEC: &str = "Name: onboarding-agent\nVersion: 1\nRelease: 1\nSummary: A package\nLicense: none\n\
        %description\nA package.\n%files\n";
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("agent.spec"), SPEC).expect("our own folder");
    let define = format!("_topdir {}", dir.path().display());
    let build = ["--quiet", "-bb", "--target", "x86_64", "--define", &define, "agent.spec"];
    let (ok, text) = run(dir.path(), "rpmbuild", &build);
    assert!(ok, "{text}");
    let (tree, pairs) = (Tree::new(0, 1000), Pairs::new());
    let built = dir.path().join("RPMS/x86_64/onboarding-agent-1-1.x86_64.rpm");
    tree.replace(RPM, &fs::read(built).expect("it was built"));
    let server = tls::start(&tree, &pairs, &[]);

    let root = dir.path().join("root").display().to_string();
    fs::create_dir(&root).expect("our own folder");
    let ca = format!("--setopt=sslcacert={}", pairs.path("tls.crt").display());
    let url = format!("https://localhost:{}{RPM}", server.address.port());
    let fixed = ["--setopt=reposdir=/dev/null", "--releasever=9", "--nogpgcheck", "-y", "--installroot", &root];
    let (ok, text) = run(dir.path(), "dnf", &[&fixed[..], &["install", &url]].concat());
    assert!(!ok && text.contains("certificate"), "{text}");
    let (ok, text) = run(dir.path(), "dnf", &[&fixed[..], &[&ca, "install", &url]].concat());
    assert!(ok, "{text}");
    let installed = run(dir.path(), "rpm", &["--root", &root, "--query", "onboarding-agent"]);
    assert_eq!(installed, (true, "onboarding-agent-1-1.x86_64\n".to_owned()));
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
