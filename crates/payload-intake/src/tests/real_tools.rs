//! Archives as the tools write them that payloads are packed with.

use std::{fs, path::Path, process::Command};

use artifact::Sha256Digest;

use crate::{ArchiveKind, Limits, extract, testing::wanted};

const ENVOY: &str = "usr/local/bin/envoy";
const CONTENT: &[u8] = b"#!/bin/sh\nexit 0\n";

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} must be installed: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn stage(root: &Path) {
    fs::create_dir_all(root.join("usr/local/bin")).expect("made");
    fs::write(root.join(ENVOY), CONTENT).expect("written");
    std::os::unix::fs::symlink("envoy", root.join("usr/local/bin/latest")).expect("linked");
}

fn check(archive: &Path) {
    let name = archive.file_name().and_then(|name| name.to_str()).expect("given here");
    let kind = ArchiveKind::of(name).expect("known ending");
    let dest = archive.with_extension("out");
    let extracted = extract(kind, archive, &wanted(&[ENVOY]), &dest, Limits::default());
    let extracted = extracted.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert_eq!(extracted[0].sha256, Sha256Digest::of(CONTENT), "{name}");
    assert_eq!(fs::read(dest.join("envoy")).expect("written"), CONTENT, "{name}");
}

#[test]
fn reads_what_dpkg_deb_builds() {
    let work = tempfile::tempdir().expect("temporary folder");
    let root = work.path().join("root");
    stage(&root);
    fs::create_dir(root.join("DEBIAN")).expect("made");
    let control =
        "Package: payload\nVersion: 1\nArchitecture: all\nMaintainer: none <none@localhost>\nDescription: test\n";
    fs::write(root.join("DEBIAN/control"), control).expect("written");
    for compression in ["xz", "gzip", "zstd", "none"] {
        let package = work.path().join(format!("{compression}.deb"));
        let mut command = Command::new("dpkg-deb");
        run(command.args(["--root-owner-group", &format!("-Z{compression}"), "--build"]).arg(&root).arg(&package));
        check(&package);
    }
}

#[test]
fn reads_what_the_rpm_builder_builds() {
    use rpm::{CompressionWithLevel, FileOptions, PackageBuilder};
    let work = tempfile::tempdir().expect("temporary folder");
    let compressions = [
        ("none", CompressionWithLevel::None),
        ("gzip", CompressionWithLevel::Gzip(6)),
        ("xz", CompressionWithLevel::Xz(1)),
        ("zstd", CompressionWithLevel::Zstd(3)),
    ];
    for (name, compression) in compressions {
        let config = rpm::BuildConfig::default().compression(compression);
        let mut builder = PackageBuilder::new("payload", "1", "none", "noarch", "test");
        builder.using_config(config);
        builder.with_file_contents(CONTENT.to_vec(), FileOptions::new("/usr/local/bin/envoy")).expect("accepted");
        builder.with_symlink(FileOptions::symlink("/usr/local/bin/latest", "envoy")).expect("accepted");
        let package = work.path().join(format!("{name}.rpm"));
        builder.build().expect("sound").write_file(&package).expect("written");
        check(&package);
    }
}

#[test]
fn reads_what_tar_and_zip_pack() {
    let work = tempfile::tempdir().expect("temporary folder");
    let root = work.path().join("root");
    stage(&root);
    for (ending, flag) in
        [("tar", "--numeric-owner"), ("tgz", "-z"), ("tar.xz", "-J"), ("tar.zst", "--zstd"), ("txz", "-J")]
    {
        for format in ["gnu", "pax", "ustar", "v7"] {
            // v7 has no magic number, so only a compressed one can be told.
            if (ending, format) == ("tar", "v7") {
                continue;
            }
            let archive = work.path().join(format!("{format}.{ending}"));
            let mut command = Command::new("tar");
            command.arg(flag).arg(format!("--format={format}")).arg("-C").arg(&root).arg("-cf").arg(&archive);
            run(command.arg("."));
            check(&archive);
        }
    }
    let archive = work.path().join("payload.zip");
    run(Command::new("zip").args(["-q", "-r", "-y"]).arg(&archive).arg(".").current_dir(&root));
    check(&archive);
    let archive = work.path().join("zip64.whl");
    run(Command::new("zip").args(["-q", "-r", "-y", "-fz"]).arg(&archive).arg(".").current_dir(&root));
    check(&archive);
}
