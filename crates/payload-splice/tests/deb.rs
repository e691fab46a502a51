//! Splicing DEBs, judged by dpkg-deb, tar and xz.

mod support;

use std::{collections::BTreeMap, fs};

use artifact::Sha256Digest;
use payload_splice::{
    PayloadFile,
    deb::{self, ControlEdit, DebError},
    inspect::{self, Depth, FileKind, InspectError},
};
use support::{Bench, ENVOY, FINISH, PILOT, TIME, deb_base, holds, path, splice_deb, text, tool, tool_text};

#[test]
fn dpkg_reads_what_was_spliced_and_finds_the_payload_unchanged() {
    let bench = Bench::new();
    for compression in ["-Zxz", "-Zgzip", "-Zzstd", "-Znone"] {
        let package = bench.write("x.deb", &bench.deb(&deb_base(compression)));
        let contents = tool_text("dpkg-deb", &["--contents", text(&package)]);
        let lines: Vec<Vec<&str>> = contents.lines().map(|line| line.split_whitespace().collect()).collect();
        let names: Vec<&str> = lines.iter().map(|line| line[5]).collect();
        let expected = [
            "./",
            "./etc/",
            "./etc/istio/",
            "./etc/istio/sidecar.env",
            "./usr/",
            "./usr/bin/",
            "./usr/bin/link",
            "./usr/bin/wrapper",
            "./usr/local-doc/",
            "./usr/local-doc/README",
            "./usr/local/",
            "./usr/local/bin/",
            "./usr/local/bin/envoy",
            "./usr/local/bin/pilot-agent",
        ];
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{compression}");
        for line in &lines {
            assert_eq!(line[1..2], ["root/root"]);
            assert_eq!(line[3..5], ["2025-11-24", "16:00"]);
        }
        let mode = |name| lines.iter().find(|line| line[5] == name).map(|line| line[0]);
        assert_eq!(mode("./usr/local/bin/"), Some("drwxr-xr-x"));
        assert_eq!(mode("./usr/local/bin/pilot-agent"), Some("-rwx------"));
        assert_eq!(mode("./etc/istio/sidecar.env"), Some("-rw-r-----"));

        let root = bench.dir.path().join(compression);
        tool("dpkg-deb", &["--raw-extract", text(&package), text(&root)]);
        for (installed, source) in [("usr/local/bin/envoy", &bench.large), ("usr/local/bin/pilot-agent", &bench.small)]
        {
            assert!(
                fs::read(root.join(installed)).expect("it was extracted") == fs::read(source).expect("it is there")
            );
        }
        assert!(fs::read_link(root.join("usr/bin/link")).is_ok_and(|target| target.as_os_str() == "wrapper"));
        let sums = root.join("DEBIAN/md5sums");
        let list = fs::read_to_string(&sums).expect("it was extracted");
        assert_eq!(list.lines().count(), 5);
        let check = format!("cd {} && md5sum --check --strict --quiet DEBIAN/md5sums", text(&root));
        tool("sh", &["-c", &check]);
        let script = fs::metadata(root.join("DEBIAN/postinst")).expect("it was extracted");
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&script.permissions()) & 0o777, 0o755);
        assert_eq!(fs::read(root.join("DEBIAN/conffiles")).expect("it was extracted"), b"/etc/istio/sidecar.env\n");
    }
}

#[test]
fn directories_come_before_what_is_in_them() {
    let bench = Bench::new();
    let package = bench.write("x.deb", &bench.deb(&deb_base("-Zxz")));
    let contents = tool_text("dpkg-deb", &["--contents", text(&package)]);
    let names: Vec<&str> = contents.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| name.ends_with('/')) {
        assert!(names[..at].iter().all(|before| !before.starts_with(name)), "{name}");
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
    }
}

#[test]
fn installed_size_follows_dpkgs_rule() {
    let bench = Bench::new();
    let package = bench.write("x.deb", &bench.deb(&deb_base("-Zxz")));
    // Seven directories and the root; link, sidecar.env, README, 1; wrapper, 2400 bytes; 3,000,001 and 70,003 bytes.
    let expected = 8 + 3 + 3 + 2930 + 69;
    assert_eq!(tool_text("dpkg-deb", &["--field", text(&package), "Installed-Size"]).trim(), expected.to_string());
}

#[test]
fn control_fields_are_edited_and_the_rest_is_kept() {
    let base = deb_base("-Zxz");
    let edit = ControlEdit::new()
        .set("Version", "1:2.4")
        .and_then(|edit| edit.set("Provides", "istio-sidecar-revision (= 1.2),\n other"))
        .and_then(|edit| edit.remove("Depends"))
        .expect("the fields are good");
    let mut out = Vec::new();
    deb::splice(&base, &[], &edit, FINISH, &mut out).expect("the base is good");
    let bench = Bench::new();
    let package = bench.write("x.deb", &out);
    assert_eq!(
        tool_text("dpkg-deb", &["--field", text(&package)]),
        "Package: istio-sidecar\nVersion: 1:2.4\nArchitecture: amd64\nMaintainer: The Slipway authors <slipway@example.com>\n\
         Installed-Size: 12\nProvides: istio-sidecar-revision (= 1.2),\n other\nDescription: sidecar\n more text\n"
    );
}

#[test]
fn the_stream_is_one_with_the_stored_blocks_in_it() {
    let bench = Bench::new();
    let package = bench.deb(&deb_base("-Zxz"));
    for payload in [bench.compress(&bench.large), bench.compress(&bench.small)] {
        assert!(holds(&package, &fs::read(payload.path()).expect("it was stored")));
    }
    let package = bench.write("x.deb", &package);
    let stream = bench.write("data.tar.xz", &tool("ar", &["p", text(&package), "data.tar.xz"]));
    tool("xz", &["--test", "--threads=2", text(&stream)]);
    let list = tool_text("xz", &["--robot", "--list", "--verbose", "--verbose", text(&stream)]);
    assert!(list.lines().any(|line| line.starts_with("file\t1\t")), "one stream: {list}");
    let blocks: Vec<_> = list.lines().filter(|line| line.starts_with("block\t")).collect();
    // What is before, between and after, four of the large payload, one of the small one.
    assert_eq!(blocks.len(), 3 + 4 + 1, "{list}");
    for block in blocks {
        let fields: Vec<_> = block.split('\t').collect();
        assert_eq!(fields[9], "CRC64", "{block}");
        assert!(fields.contains(&"cu"), "sizes are in the block headers: {block}");
        assert!(fields.last().is_some_and(|filters| filters.starts_with("--lzma2=dict=")), "{block}");
    }
}

#[test]
fn the_result_depends_on_the_content_of_the_base_alone() {
    let bench = Bench::new();
    let first = bench.deb(&deb_base("-Zxz"));
    assert!(first == bench.deb(&deb_base("-Zgzip")));
    let normal = splice_deb(&deb_base("-Zxz"), &[]);
    assert!(splice_deb(&normal, &[]) == normal, "what is normal stays as it is");
}

#[test]
fn a_payload_may_replace_an_empty_file_and_nothing_else() {
    let bench = Bench::new();
    let base = deb_base("-Zxz");
    let large = bench.compress(&bench.large);
    let splice = |base: &[u8], at: &str, out: &mut Vec<u8>| {
        let file = PayloadFile { install_path: path(at), mode: 0o755, payload: &large, source: &bench.large };
        deb::splice(base, &[file], &ControlEdit::new(), FINISH, out)
    };
    for at in ["/usr/bin/wrapper", "/usr/bin", "/usr/bin/link", "/usr/bin/wrapper/x", "/usr/bin/link/x"] {
        let error = splice(&base, at, &mut Vec::new()).expect_err(at);
        assert!(matches!(error, DebError::Clash(_)), "{at}: {error}");
    }
    let empty = bench.write("empty", b"");
    let empty_payload = bench.compress(&empty);
    let file = PayloadFile { install_path: path(ENVOY), mode: 0o644, payload: &empty_payload, source: &empty };
    let with_placeholder = splice_deb(&base, &[file]);
    let (mut direct, mut replaced) = (Vec::new(), Vec::new());
    splice(&base, ENVOY, &mut direct).expect("the place is free");
    splice(&with_placeholder, ENVOY, &mut replaced).expect("the file is empty");
    assert!(direct == replaced);
}

#[test]
fn inspection_agrees_with_dpkg_at_both_depths() {
    let bench = Bench::new();
    let package = bench.write("x.deb", &bench.deb(&deb_base("-Zxz")));
    let (large, small) = (bench.compress(&bench.large), bench.compress(&bench.small));
    let full = inspect::deb(&package, Depth::Full).expect("the package is good");
    let quick = inspect::deb(&package, Depth::Headers(&[&small, &large])).expect("the package is good");
    assert_eq!(full, quick);
    assert_eq!((full.name(), full.version(), full.architecture()), ("istio-sidecar", "1:2.3", "amd64"));
    assert_eq!(full.control.get("Depends"), Some("libc6 (>= 2.28)"));
    assert_eq!(full.scripts, BTreeMap::from([("postinst".to_owned(), "#!/bin/sh\nset -e\n".to_owned())]));
    assert_eq!(full.conffiles, [path("/etc/istio/sidecar.env")]);
    let pilot = full.files.iter().find(|file| file.path.as_str() == PILOT).expect("it was put in");
    assert_eq!(pilot.kind, FileKind::Regular { size: 70_003, sha256: small.sha256() });
    assert_eq!(
        (pilot.mode, pilot.owner.as_str(), pilot.group.as_str(), pilot.mtime),
        (0o700, "root", "root", TIME.into())
    );
    let listed = tool_text("dpkg-deb", &["--contents", text(&package)]).lines().count();
    assert_eq!(full.files.len() + 1, listed);
    // What dpkg-deb made is read, too, but for its missing md5sums.
    let error = inspect::deb_bytes(&deb_base("-Zzstd"), Depth::Full).expect_err("there are no md5sums");
    assert!(matches!(error, InspectError::Mismatch { what: "MD5 digest", .. }), "{error}");
}

#[test]
fn inspection_notices_other_blocks_than_the_stored_ones() {
    let bench = Bench::new();
    let package = bench.deb(&deb_base("-Zxz"));
    let (large, small) = (bench.compress(&bench.large), bench.compress(&bench.small));
    let other = bench.write("other", &support::half_compressible(3_000_001, 9));
    let other = bench.compress(&other);
    let error = inspect::deb_bytes(&package, Depth::Headers(&[&large, &other])).expect_err("it is not there");
    assert!(matches!(error, InspectError::PayloadMissing { sha256 } if sha256 == other.sha256()), "{error}");
    let stored = fs::read(small.path()).expect("it was stored");
    let at = package.windows(stored.len()).position(|window| window == stored).expect("the blocks are in the package");
    let mut damaged = package;
    damaged[at + stored.len() / 2] ^= 1;
    for depth in [Depth::Full, Depth::Headers(&[&large, &small]), Depth::Headers(&[])] {
        inspect::deb_bytes(&damaged, depth).expect_err("one bit is wrong");
    }
}

#[test]
fn an_output_that_fails_is_an_error() {
    let base = deb_base("-Zxz");
    let mut short = [0; 100];
    let error = deb::splice(&base, &[], &ControlEdit::new(), FINISH, &mut short.as_mut_slice()).expect_err("no room");
    assert_eq!(error.to_string(), "cannot write the package");
    assert_ne!(Sha256Digest::of(&short), Sha256Digest::of(&[0; 100]));
}
