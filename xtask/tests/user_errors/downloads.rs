//! Downloads that succeed, also after an interruption, from a real server.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use artifact::Sha256Digest;
use testkit::run::Run;

use super::{
    make::{self, Entry},
    server::{Server, proxy_once},
    site::{Says, Site, host},
};

pub(crate) const ARCHIVE: &str = "envoy.tar";
/// A quarter of the archive in a second.
pub(crate) const SLOW: &str = "limit_rate 250k;";

/// A payload archive of about a megabyte.
pub(crate) fn archive(size: u32) -> Vec<u8> {
    make::tar(&[("envoy", Entry::File(&make::large_program(size)))])
}

/// A good tree whose next payload is on a server.
pub(crate) struct Mirror {
    pub(crate) server: Server,
    pub(crate) site: Site,
}

impl Mirror {
    pub(crate) fn start(settings: &str) -> Self {
        let server = Server::start(settings);
        server.put(ARCHIVE, archive(1_000_000));
        let site = Site::with_source(&format!("{{ url = '{}' }}", server.url(ARCHIVE)));
        site.clear_cache();
        Self { server, site }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.site.command(args);
        command.env("SSL_CERT_FILE", self.server.ca());
        command
    }

    pub(crate) fn succeeds(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args)).succeeded()
    }

    /// Starts a run, and waits until a piece of the archive is here.
    pub(crate) fn starts_download(&self, args: &[&str]) -> Child {
        let mut run = self.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("xtask starts");
        let end = Instant::now() + Duration::from_secs(20);
        while self.arrived() == 0 {
            assert!(Instant::now() < end, "nothing arrives");
            assert!(run.try_wait().expect("our child").is_none(), "the download ended before it began");
            std::thread::sleep(Duration::from_millis(2));
        }
        run
    }

    /// The size of the unfinished download.
    pub(crate) fn arrived(&self) -> u64 {
        let partial = fs::read_dir(self.site.path("cache/partial")).into_iter().flatten();
        let size = |entry: std::io::Result<fs::DirEntry>| Some(entry.ok()?.metadata().ok()?.len());
        partial.filter_map(size).max().unwrap_or(0) / 1000 * 1000
    }

    /// The archive in the cache, and the lock, are those; nothing unfinished is left.
    pub(crate) fn assert_locked(&self, archive: &[u8]) {
        let digest = Sha256Digest::of(archive);
        let lock = self.site.read(Site::LOCK);
        assert!(lock.contains(&format!("sha256 = \"{digest}\"")), "not {digest}: {lock}");
        let cached = fs::read(self.site.path(format!("cache/archives/{digest}"))).expect("the archive is cached");
        assert_eq!(Sha256Digest::of(&cached), digest);
        let left: Vec<_> = fs::read_dir(self.site.path("cache/partial")).expect("it was used").collect();
        assert!(left.is_empty(), "{left:?}");
        self.site.left_nothing();
    }
}

#[test]
fn downloads_once_locks_and_packages() {
    let mirror = Mirror::start("");
    let old = mirror.site.tree();
    mirror.succeeds(&["lock"]);
    mirror.assert_locked(&archive(1_000_000));
    mirror.succeeds(&["dist", "--format", "deb"]);
    assert_ne!(mirror.site.tree(), old);
    assert_eq!(mirror.server.log(), ["GET /envoy.tar 200 [-] [-]"]);
}

#[test]
fn needs_no_server_once_the_archive_is_cached() {
    let mut mirror = Mirror::start("");
    mirror.succeeds(&["lock"]);
    mirror.server.kill();
    fs::remove_dir_all(mirror.site.path("cache/members")).expect("it was there");
    mirror.succeeds(&["dist", "--format", "deb", "--offline"]);
    mirror.site.clear_cache();
    let says = Says(&[&mirror.server.url(ARCHIVE), "is not cached"], "without --offline");
    mirror.site.fails(&mut mirror.command(&["dist", "--offline"]), &says);
}

#[test]
fn goes_on_where_a_killed_run_stopped() {
    let mut mirror = Mirror::start(SLOW);
    let mut killed = mirror.starts_download(&["lock"]);
    killed.kill().expect("our child");
    killed.wait().expect("our child");
    let arrived = mirror.arrived();
    assert!((1..1_000_000).contains(&arrived), "{arrived}");

    mirror.server.restart("");
    mirror.succeeds(&["lock"]);
    mirror.assert_locked(&archive(1_000_000));
    let last = mirror.server.log().pop().expect("requests");
    assert!(last.starts_with("GET /envoy.tar 206 [bytes="), "{last}");
}

#[test]
fn starts_over_when_the_file_was_replaced_after_a_killed_run() {
    let mut mirror = Mirror::start(SLOW);
    let mut killed = mirror.starts_download(&["lock"]);
    killed.kill().expect("our child");
    killed.wait().expect("our child");

    let other = archive(1_100_000);
    mirror.server.put(ARCHIVE, &other);
    mirror.server.restart("");
    mirror.succeeds(&["lock"]);
    mirror.assert_locked(&other);
    let last = mirror.server.log().pop().expect("requests");
    assert!(last.starts_with("GET /envoy.tar 200 [bytes=") && !last.ends_with("[-]"), "{last}");
}

#[test]
fn starts_over_where_the_server_has_no_tags() {
    let mut mirror = Mirror::start("etag off; limit_rate 250k;");
    let mut killed = mirror.starts_download(&["lock"]);
    killed.kill().expect("our child");
    killed.wait().expect("our child");
    mirror.server.restart("etag off;");
    mirror.succeeds(&["lock"]);
    mirror.assert_locked(&archive(1_000_000));
    assert_eq!(mirror.server.log().pop().as_deref(), Some("GET /envoy.tar 200 [-] [-]"));
}

#[test]
fn goes_on_by_itself_when_the_server_comes_back() {
    let mut mirror = Mirror::start(SLOW);
    let run = mirror.starts_download(&["lock"]);
    mirror.server.kill();
    mirror.server.restart("");
    let output = run.wait_with_output().expect("our child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    mirror.assert_locked(&archive(1_000_000));
    let last = mirror.server.log().pop().expect("requests");
    assert!(last.starts_with("GET /envoy.tar 206 [bytes="), "{last}");
}

#[test]
fn two_revisions_may_share_an_archive() {
    for settings in ["limit_rate 500k;", "etag off; limit_rate 500k;"] {
        let mirror = Mirror::start(settings);
        let source = format!("{{ url = '{}' }}", mirror.server.url(ARCHIVE));
        let second = make::revision("1-30", &source);
        mirror.site.write(Site::MANIFEST, make::manifest(&source) + &second);
        let run = mirror.succeeds(&["lock", "--jobs", "2"]);
        assert!(run.stderr.contains("waits for another download of the same URL"), "{}", run.stderr);
        mirror.assert_locked(&archive(1_000_000));
        let run = mirror.succeeds(&["dist", "--format", "deb"]);
        assert!(run.stdout.contains(&format!("istio-sidecar 1-30 {} deb", host())), "{}", run.stdout);
    }
}

#[test]
fn follows_a_redirect_to_another_https_url() {
    let mirror = Mirror::start("location = /latest.tar { return 302 /envoy.tar; }");
    let url = mirror.server.url("latest.tar");
    mirror.site.write(Site::MANIFEST, make::manifest(&format!("{{ url = '{url}' }}")));
    mirror.succeeds(&["lock"]);
    mirror.assert_locked(&archive(1_000_000));
}

#[test]
fn goes_through_the_proxy_of_the_machine() {
    let mirror = Mirror::start("");
    let (port, proxy) = proxy_once();
    let mut command = mirror.command(&["lock"]);
    command.env_remove("NO_PROXY").env("HTTPS_PROXY", format!("http://127.0.0.1:{port}"));
    let _ = Run::of(&mut command).succeeded();
    mirror.assert_locked(&archive(1_000_000));
    let asked = proxy.join().expect("the proxy was asked");
    assert_eq!(asked, format!("CONNECT 127.0.0.1:{} HTTP/1.1", mirror.server.port()));
}
