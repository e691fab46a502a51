//! The judges of a real dist tree: the programs that mirrors, VMs and distributions read packages with.
//!
//! Built only with the feature `dist-tree`; reads the tree named by `SLIPWAY_DIST`. A judge that is missing fails the test.

#![cfg(feature = "dist-tree")]
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod debian;
mod programs;
mod rpm;
mod switching;
mod tree;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use artifact::{Artifact, PackageFormat, ReleaseManifest};

/// The tree under test.
fn dist() -> PathBuf {
    let dir = std::env::var_os("SLIPWAY_DIST").expect("SLIPWAY_DIST names a dist tree: run `cargo xtask test`");
    PathBuf::from(dir)
}

fn manifest() -> ReleaseManifest {
    let path = dist().join(ReleaseManifest::FILE_NAME);
    let json = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ReleaseManifest::from_json(&json).expect("the tree's own manifest")
}

/// Every distinct package of a format, with its file. The default revision's second install path is left out.
fn packages(format: PackageFormat) -> Vec<(Artifact, PathBuf)> {
    let mut seen = std::collections::BTreeSet::new();
    let packages: Vec<_> = manifest()
        .artifacts
        .into_iter()
        .filter(|artifact| artifact.format == format && seen.insert(artifact.sha256))
        .map(|artifact| {
            let path = dist().join(artifact.path.relative());
            (artifact, path)
        })
        .collect();
    assert!(packages.len() >= 8, "the agent and three revisions for two architectures, found {}", packages.len());
    packages
}

/// Runs a judge; its verdict is what it prints, and failing is a verdict too.
fn run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> String {
    let (ok, text) = verdict(program, args);
    assert!(ok, "{program} failed:\n{text}");
    text
}

/// Whether a judge is content, and all that it printed.
fn verdict<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> (bool, String) {
    let output = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}; run `cargo xtask test --setup`"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Unpacks a package into a fresh folder, with the format's own tool.
fn unpack(format: PackageFormat, package: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    match format {
        PackageFormat::Deb => {
            run("dpkg-deb", [OsStr::new("--extract"), package.as_os_str(), dir.path().as_os_str()]);
        }
        PackageFormat::Rpm => {
            let script = "rpm2cpio \"$1\" | (cd \"$2\" && cpio --quiet -idm --no-absolute-filenames)";
            let args = ["-ec", script, "sh"].map(OsStr::new).into_iter();
            run("bash", args.chain([package.as_os_str(), dir.path().as_os_str()]));
        }
    }
    dir
}
