//! Payloads, base packages and judges for the tests.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use artifact::{ReleaseTime, Sha256Digest};
use payload_splice::{
    BlockCache, CompressedPayload, Finish, Level, PackagePath, PayloadFile, Written, deb, rpm as rpms,
};
use tempfile::TempDir;

pub(crate) const TIME: u32 = 1_764_000_000;
pub(crate) const FINISH: Finish = Finish { time: ReleaseTime::from_unix(TIME), level: LEVEL };
pub(crate) const LEVEL: Level = Level::FASTEST;
pub(crate) const ENVOY: &str = "/usr/local/bin/envoy";
pub(crate) const PILOT: &str = "/usr/local/bin/pilot-agent";

/// Bytes that compress to about a half, other ones for each seed.
pub(crate) fn half_compressible(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..size.div_ceil(8)).flat_map(|_| (next() & 0x0f0f_0f0f_0f0f_0f0f).to_le_bytes()).take(size).collect()
}

pub(crate) fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("a test has threads")
}

pub(crate) fn path(text: &str) -> PackagePath {
    PackagePath::new(text).expect("the test's path is good")
}

/// A folder with two payloads, a large one of four blocks and a small one of one, and a cache.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) cache: BlockCache,
    pub(crate) large: PathBuf,
    pub(crate) small: PathBuf,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let (large, small) = (dir.path().join("large"), dir.path().join("small"));
        fs::write(&large, half_compressible(3_000_001, 1)).expect("room for a payload");
        fs::write(&small, half_compressible(70_003, 2)).expect("room for a payload");
        Self { cache: BlockCache::new(dir.path().join("cache")), large, small, dir }
    }

    pub(crate) fn compress(&self, file: &Path) -> CompressedPayload {
        self.cache.compress(file, digest(file), LEVEL, threads(2), &|_| ()).expect("the file compresses")
    }

    /// Both payloads in a copy of `base`.
    pub(crate) fn deb(&self, base: &[u8]) -> Vec<u8> {
        let (large, small) = (self.compress(&self.large), self.compress(&self.small));
        splice_deb(base, &self.files(&large, &small))
    }

    pub(crate) fn rpm(&self, base: &[u8]) -> Vec<u8> {
        let (large, small) = (self.compress(&self.large), self.compress(&self.small));
        splice_rpm(base, &self.files(&large, &small))
    }

    pub(crate) fn files<'a>(
        &'a self,
        large: &'a CompressedPayload,
        small: &'a CompressedPayload,
    ) -> [PayloadFile<'a>; 2] {
        [
            PayloadFile { install_path: path(PILOT), mode: 0o700, payload: small, source: &self.small },
            PayloadFile { install_path: path(ENVOY), mode: 0o755, payload: large, source: &self.large },
        ]
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).expect("room for a package");
        path
    }
}

pub(crate) fn splice_deb(base: &[u8], files: &[PayloadFile<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let written = deb::splice(base, files, &deb::ControlEdit::new(), FINISH, &mut out).expect("the base is good");
    assert_eq!(written, Written { size: out.len() as u64, sha256: Sha256Digest::of(&out) });
    out
}

pub(crate) fn splice_rpm(base: &[u8], files: &[PayloadFile<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let written = rpms::splice(base, files, &rpms::HeaderEdit::new(), FINISH, &mut out).expect("the base is good");
    assert_eq!(written, Written { size: out.len() as u64, sha256: Sha256Digest::of(&out) });
    out
}

pub(crate) fn digest(file: &Path) -> Sha256Digest {
    Sha256Digest::of(&fs::read(file).expect("the file is there"))
}

/// A DEB as dpkg-deb makes it: a program, a configuration file, a symlink, a script; envoy is not in it.
pub(crate) fn deb_base(compression: &str) -> Vec<u8> {
    let dir = TempDir::new().expect("a temporary folder");
    let root = dir.path().join("root");
    let put = |name: &str, content: &str, mode: u32| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("it is in the root")).expect("room for a folder");
        fs::write(&path, content).expect("room for a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&path, mode).expect("the file is ours");
    };
    put(
        "DEBIAN/control",
        "Package: istio-sidecar\nVersion: 1:2.3\nArchitecture: amd64\nMaintainer: The Slipway authors <slipway@example.com>\n\
         Depends: libc6 (>= 2.28)\nInstalled-Size: 3\nDescription: sidecar\n more text\n",
        0o644,
    );
    put("DEBIAN/conffiles", "/etc/istio/sidecar.env\n", 0o644);
    put("DEBIAN/postinst", "#!/bin/sh\nset -e\n", 0o755);
    put("etc/istio/sidecar.env", "A=1\n", 0o640);
    put("usr/bin/wrapper", &"wrapper ".repeat(300), 0o755);
    put("usr/local-doc/README", "text\n", 0o644);
    std::os::unix::fs::symlink("wrapper", root.join("usr/bin/link")).expect("a symlink");
    let out = dir.path().join("base.deb");
    tool("dpkg-deb", &["--root-owner-group", compression, "--build", text(&root), text(&out)]);
    fs::read(out).expect("dpkg-deb wrote it")
}

/// An RPM as crate rpm, which cargo-generate-rpm uses, makes it, with empty files for the payloads.
pub(crate) fn rpm_base(compression: rpm::CompressionWithLevel) -> Vec<u8> {
    let config = rpm::BuildConfig::v4().compression(compression).source_date(5u32);
    let file = |path: &str| rpm::FileOptions::new(path).permissions(0o755);
    let package = rpm::PackageBuilder::new("istio-sidecar", "2.3", "Apache-2.0", "x86_64", "sidecar")
        .using_config(config)
        .release("1")
        .build_host("some.machine")
        .cookie("some cookie")
        .with_file_contents(b"A=1\n".as_slice(), rpm::FileOptions::new("/etc/istio/sidecar.env").config().noreplace())
        .and_then(|builder| builder.with_file_contents("wrapper ".repeat(300).as_bytes(), file("/usr/bin/wrapper")))
        .and_then(|builder| builder.with_symlink(rpm::FileOptions::symlink("/usr/bin/link", "wrapper")))
        .and_then(|builder| builder.with_dir_entry(rpm::FileOptions::dir("/var/lib/istio")))
        .and_then(|builder| builder.with_file_contents(b"".as_slice(), file(ENVOY)))
        .and_then(|builder| builder.with_file_contents(b"".as_slice(), file(PILOT)))
        .expect("the files are good")
        .post_install_script("echo hello")
        .requires(rpm::Dependency::any("systemd"))
        .build()
        .expect("the package is good");
    let mut bytes = Vec::new();
    package.write(&mut bytes).expect("a Vec takes all");
    bytes
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Runs a judge, which must be installed and succeed, and returns what it wrote.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}{}", String::from_utf8_lossy(&output.stdout));
    output.stdout
}

pub(crate) fn tool_text(program: &str, arguments: &[&str]) -> String {
    String::from_utf8(tool(program, arguments)).expect("the judge writes UTF-8")
}

/// Whether `needle` is in `haystack`.
pub(crate) fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    assert!(!needle.is_empty());
    haystack.windows(needle.len()).any(|window| window == needle)
}
