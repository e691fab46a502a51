//! Downloads that fail.

use std::process::Child;

use testkit::run::Run;

use super::{
    downloads::{ARCHIVE, Mirror, SLOW, archive},
    make,
    site::{Says, Site},
};

/// `lock` fails, the old lock stays, and nothing is taken for an archive.
fn refuses(mirror: &Mirror, error: &[&str], hint: &str) {
    let lock = mirror.site.read(Site::LOCK);
    let url = mirror.server.url(ARCHIVE);
    let error: Vec<&str> = [url.as_str()].iter().chain(error).copied().collect();
    mirror.site.fails(&mut mirror.command(&["lock"]), &Says(&error, hint));
    assert_eq!(mirror.site.read(Site::LOCK), lock);
    assert!(!mirror.site.path("cache/archives").exists());
}

#[test]
fn a_missing_file_is_asked_for_once() {
    let mirror = Mirror::start("location = /envoy.tar { return 404; }");
    refuses(&mirror, &["the server answers 404 Not Found"], "check `source` in the manifest");
    assert_eq!(mirror.server.log(), ["GET /envoy.tar 404 [-] [-]"]);
}

#[test]
fn a_forbidden_file_is_asked_for_once() {
    let mirror = Mirror::start("location = /envoy.tar { return 403; }");
    refuses(&mirror, &["the server answers 403 Forbidden"], "may be downloaded without a password");
    assert_eq!(mirror.server.log().len(), 1);
}

#[test]
fn a_server_with_a_fault_is_asked_again() {
    let mirror = Mirror::start("location = /envoy.tar { return 500; }");
    refuses(&mirror, &["the server answers 500 Internal Server Error"], "run it again later");
    assert_eq!(mirror.server.log().len(), 5);
}

#[test]
fn an_unknown_authority_is_not_trusted_and_not_asked_again() {
    let mirror = Mirror::start("");
    let says = [mirror.server.url(ARCHIVE), "invalid peer certificate: UnknownIssuer".to_owned()];
    let says = Says(&[&says[0], &says[1]], "SSL_CERT_FILE");
    let start = std::time::Instant::now();
    mirror.site.fails(mirror.command(&["lock"]).env("SSL_CERT_FILE", mirror.server.stranger()), &says);
    assert!(start.elapsed().as_secs() < 5, "it waited for a certificate to change");
    assert_eq!(mirror.server.log(), [""; 0]);
}

#[test]
fn a_certificate_for_another_name_is_not_trusted() {
    let mirror = Mirror::start("");
    let url = format!("https://localhost:{}/{ARCHIVE}", mirror.server.port());
    mirror.site.write(Site::MANIFEST, make::manifest(&format!("{{ url = '{url}' }}")));
    mirror
        .site
        .fails(&mut mirror.command(&["lock"]), &Says(&[&url, "certificate not valid for name"], "SSL_CERT_FILE"));
}

#[test]
fn a_file_of_authorities_that_is_not_there_is_named() {
    let mirror = Mirror::start("");
    let mut command = mirror.command(&["lock"]);
    command.env("SSL_CERT_FILE", mirror.site.path("no-such.pem"));
    mirror.site.fails(&mut command, &Says(&["HTTPS"], "SSL_CERT_FILE"));
}

#[test]
fn a_redirect_to_an_open_connection_is_refused() {
    let mirror = Mirror::start("location = /envoy.tar { return 302 http://127.0.0.1:1/envoy.tar; }");
    refuses(&mirror, &[], "https:");
    assert_eq!(mirror.server.log(), ["GET /envoy.tar 302 [-] [-]"]);
}

#[test]
fn what_arrived_from_a_server_that_died_is_used_by_the_next_run() {
    let mut mirror = Mirror::start(SLOW);
    let lock = mirror.site.read(Site::LOCK);
    let tree = mirror.site.tree();
    let run: Child = mirror.starts_download(&["lock"]);
    mirror.server.kill();
    let run = Run::from(run.wait_with_output().expect("our child"));
    Says(&["cannot download", &mirror.server.url(ARCHIVE)], "what arrived is kept").are_said_by(&run);
    assert_eq!((mirror.site.read(Site::LOCK), mirror.site.tree()), (lock, tree));
    assert!(mirror.arrived() > 0);

    mirror.server.restart("");
    mirror.succeeds(&["lock"]);
    mirror.assert_locked(&archive(1_000_000));
    let last = mirror.server.log().pop().expect("requests");
    assert!(last.starts_with("GET /envoy.tar 206 [bytes="), "{last}");
}

#[test]
fn an_archive_that_is_not_the_locked_one_is_refused_and_not_kept() {
    let mirror = Mirror::start("");
    mirror.succeeds(&["lock"]);
    mirror.site.clear_cache();
    mirror.server.put(ARCHIVE, archive(1_000_001));
    let url = mirror.server.url(ARCHIVE);
    let says = Says(&[&url, "expected"], "find out why before you run `cargo xtask lock`");
    for _ in 0..2 {
        mirror.site.fails(&mut mirror.command(&["dist"]), &says);
        assert_eq!(mirror.arrived(), 0);
    }

    mirror.server.put(ARCHIVE, archive(1_000_000));
    mirror.succeeds(&["dist", "--format", "deb"]);
}
