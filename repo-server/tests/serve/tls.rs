//! TLS: certificates, their renewal, versions, and the redirect from the open port.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

pub(crate) use testkit::pairs::Pairs;

use super::{
    raw::get,
    server::{Server, run},
    tree::{CHECKSUM, PACKAGE, Tree},
};

pub(crate) fn start(tree: &Tree, pairs: &Pairs, more: &[&str]) -> Server {
    let flags = pairs.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::with(tree, &flags)
}

/// What curl gets from the server under its real name.
pub(crate) fn curl(server: &Server, ca: &Path, args: &[&str], path: &str) -> (bool, String) {
    let port = server.address.port();
    let (resolve, url) = (format!("mirror.test:{port}:127.0.0.1"), format!("https://mirror.test:{port}{path}"));
    let ca = ca.display().to_string();
    let fixed = ["--silent", "--show-error", "--fail", "--cacert", &ca, "--resolve", &resolve, &url];
    run(Path::new("/"), "curl", &[args, &fixed].concat())
}

#[test]
fn both_versions_of_tls_and_of_http_are_spoken() {
    let (tree, pairs) = (Tree::new(0, 300_000), Pairs::new());
    let server = start(&tree, &pairs, &[]);
    let ca = pairs.path("tls.crt");
    let format = "%{http_version} %{ssl_verify_result} %{size_download}";
    for (args, expected) in [
        (&["--http2"][..], "2 0 300000"),
        (&["--http1.1"], "1.1 0 300000"),
        (&["--tlsv1.3"], "2 0 300000"),
        (&["--tlsv1.2", "--tls-max", "1.2"], "2 0 300000"),
    ] {
        let args = [args, &["--output", "/dev/null", "--write-out", format]].concat();
        assert_eq!(curl(&server, &ca, &args, PACKAGE), (true, expected.to_owned()), "{args:?}");
    }
    let (ok, text) = curl(&server, &ca, &["--tlsv1.0", "--tls-max", "1.1"], CHECKSUM);
    assert!(!ok, "old TLS: {text}");
}

#[test]
fn http2_is_spoken_in_the_open_by_those_who_know() {
    let tree = Tree::new(0, 300_000);
    let server = Server::start(&tree);
    let url = server.url(PACKAGE);
    let args = ["--silent", "--http2-prior-knowledge", "--output", "/dev/null", "--write-out", "%{http_version}", &url];
    assert_eq!(run(Path::new("/"), "curl", &args), (true, "2".to_owned()));
}

fn served_certificate(server: &Server) -> String {
    let script = format!(
        "openssl s_client -connect {} -servername mirror.test </dev/null 2>/dev/null | openssl x509 -noout -fingerprint",
        server.address
    );
    let (_, text) = run(Path::new("/"), "sh", &["-c", &script]);
    text
}

#[test]
fn a_renewed_certificate_is_taken_up_and_downloads_go_on() {
    use std::io::Read;
    let (tree, pairs) = (Tree::new(0, 60_000_000), Pairs::new());
    let server = start(&tree, &pairs, &[]);
    let before = served_certificate(&server);
    // A download that lasts: what is not read is not sent.
    let port = server.address.port();
    let mut slow = Command::new("curl")
        .args(["--silent", "--fail", "--cacert"])
        .arg(pairs.path("tls.crt"))
        .args(["--limit-rate", "15M", "--resolve", &format!("mirror.test:{port}:127.0.0.1")])
        .arg(format!("https://mirror.test:{port}{PACKAGE}"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl is installed");
    let mut first = [0; 1000];
    slow.stdout.as_mut().expect("piped").read_exact(&mut first).expect("it comes");

    fs::copy(pairs.path("tls.crt"), pairs.path("first.crt")).expect("our own folder");
    pairs.make("new", 2020, 2097);
    // The files come one after the other: between the two, the pair does not match.
    pairs.replace("new.crt", "tls.crt");
    server.wait_until("complained", |server| server.log().contains("new certificate refused"));
    assert_eq!(served_certificate(&server), before);
    assert!(server.log().contains("does not belong to the certificate"), "{}", server.log());
    pairs.replace("new.key", "tls.key");
    server.wait_until("renewed", |server| server.log().contains("new certificate in use"));
    assert_ne!(served_certificate(&server), before);
    let (ok, text) = curl(&server, &pairs.path("tls.crt"), &[], CHECKSUM);
    assert!(ok, "{text}");

    let mut rest = Vec::new();
    slow.stdout.take().expect("piped").read_to_end(&mut rest).expect("it goes on");
    assert!(slow.wait().expect("our child").success());
    assert_eq!(rest.len() + first.len(), 60_000_000);
}

#[test]
fn bad_pairs_are_named_before_anything_is_served() {
    let (tree, pairs) = (Tree::new(0, 1000), Pairs::new());
    pairs.make("other", 2020, 2096);
    pairs.make("expired", 2020, 2021);
    pairs.make("early", 2095, 2096);
    fs::write(pairs.path("empty"), "").expect("our own folder");
    for (certificate, key, said) in [
        ("tls.crt", "other.key", "does not belong to the certificate"),
        ("tls.key", "tls.key", "holds no certificate in PEM"),
        ("tls.crt", "empty", "holds no private key in PEM"),
        ("tls.crt", "missing", "cannot read"),
        ("expired.crt", "expired.key", "ended"),
        ("early.crt", "early.key", "begins"),
    ] {
        for command in ["serve", "check"] {
            let output = Command::new(env!("CARGO_BIN_EXE_repo-server"))
                .args([command, "--listen", "127.0.0.1:0", "--dir"])
                .arg(tree.path())
                .arg("--tls-cert")
                .arg(pairs.path(certificate))
                .arg("--tls-key")
                .arg(pairs.path(key))
                .output()
                .expect("the program was built");
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(stderr.contains(said) && stderr.contains("hint: "), "{certificate} {key}: {stderr}");
        }
    }
}

#[test]
fn the_open_port_leads_to_tls() {
    let (tree, pairs) = (Tree::new(0, 1000), Pairs::new());
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let server = start(&tree, &pairs, &["--redirect-listen", &free.to_string()]);
    let address: SocketAddr = free;
    let answer = get(address, "/install/?x=1");
    assert_eq!(answer.status, 308);
    let expected = format!("https://localhost:{}/install/?x=1", server.address.port());
    assert_eq!(answer.header("location"), Some(expected.as_str()));
    drop(server);
    // Behind a load balancer, TLS is on another port for those who are outside.
    let server = start(&tree, &pairs, &["--redirect-listen", &address.to_string(), "--public-port", "443"]);
    assert_eq!(get(address, "/install/").header("location"), Some("https://localhost/install/"));
    drop(server);
}
