//! Splicing RPMs, judged by rpm, rpm2cpio, cpio, xz and `createrepo_c`.

mod support;

use std::fs;

use payload_splice::{
    Md5Digest, PayloadFile,
    inspect::{self, Depth, FileKind, InspectError},
    rpm::{self as rpms, HeaderEdit, HeaderField, RpmError},
};
use rpm::CompressionWithLevel;
use support::{Bench, ENVOY, FINISH, PILOT, TIME, digest, holds, path, rpm_base, splice_rpm, text, tool, tool_text};

const COMPRESSIONS: [CompressionWithLevel; 4] = [
    CompressionWithLevel::Xz(1),
    CompressionWithLevel::Gzip(6),
    CompressionWithLevel::Zstd(3),
    CompressionWithLevel::None,
];

fn base() -> Vec<u8> {
    rpm_base(CompressionWithLevel::Xz(1))
}

#[test]
fn rpm_accepts_every_digest() {
    let bench = Bench::new();
    for compression in COMPRESSIONS {
        let package = bench.write("x.rpm", &bench.rpm(&rpm_base(compression)));
        let checks = tool_text("rpm", &["-K", "-v", text(&package)]);
        let checks: Vec<_> = checks.lines().skip(1).map(str::trim).collect();
        let expected =
            ["Header SHA256 digest: OK", "Header SHA1 digest: OK", "Payload SHA256 digest: OK", "MD5 digest: OK"];
        assert_eq!(checks, expected, "{compression:?}");
    }
}

#[test]
fn rpm_lists_the_files_with_their_digests_and_the_release_time() {
    let bench = Bench::new();
    let package = bench.write("x.rpm", &bench.rpm(&base()));
    let dump = tool_text("rpm", &["-qp", "--dump", text(&package)]);
    let lines: Vec<Vec<&str>> = dump.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 6, "{dump}");
    assert!(lines.iter().all(|line| line[2] == TIME.to_string()), "{dump}");
    let line = |path: &str| lines.iter().find(|line| line[0] == path).expect("it is listed");
    for (path, source, mode) in [(ENVOY, &bench.large, "0100755"), (PILOT, &bench.small, "0100700")] {
        let size = fs::metadata(source).expect("it is there").len().to_string();
        assert_eq!(line(path)[1..7], [&size, &TIME.to_string(), &digest(source).to_string(), mode, "root", "root"]);
    }
    assert_eq!(line("/etc/istio/sidecar.env")[7], "1", "it is a configuration file");
    let query = "%{SIZE} %{BUILDTIME} %{BUILDHOST} %{COOKIE} %{PAYLOADCOMPRESSOR} %{PAYLOADFLAGS} %{SIGSIZE}";
    let total: u64 = lines.iter().map(|line| line[1].parse::<u64>().expect("a number")).sum();
    let size = fs::metadata(&package).expect("it is there").len();
    let fields = tool_text("rpm", &["-qp", "--qf", query, text(&package)]);
    let (fields, signed) = fields.rsplit_once(' ').expect("several fields");
    assert_eq!(fields, format!("{total} {TIME} localhost (none) xz 0"));
    assert!(signed.parse::<u64>().is_ok_and(|signed| signed < size && signed > size - 6000), "{signed} of {size}");
}

#[test]
fn rpm2cpio_and_cpio_find_the_payload_unchanged() {
    let bench = Bench::new();
    let package = bench.write("x.rpm", &bench.rpm(&base()));
    let archive = bench.write("x.cpio", &tool("rpm2cpio", &[text(&package)]));
    let list = format!("cpio --quiet -t < {}", text(&archive));
    let names = tool_text("sh", &["-c", &list]);
    let listed = tool_text("rpm", &["-qpl", text(&package)]);
    let expected: Vec<_> = listed.lines().map(|line| format!(".{line}")).collect();
    assert_eq!(names.lines().collect::<Vec<_>>(), expected);
    for (installed, source) in [(ENVOY, &bench.large), (PILOT, &bench.small)] {
        let extract = format!("cpio --quiet -i --to-stdout .{installed} < {}", text(&archive));
        assert!(tool("sh", &["-c", &extract]) == fs::read(source).expect("it is there"), "{installed}");
    }
    let alt = tool_text("rpm", &["-qp", "--qf", "%{PAYLOADDIGESTALT}", text(&package)]);
    assert_eq!(alt, digest(&archive).to_string());
}

#[test]
fn rpm_installs_it() {
    let bench = Bench::new();
    let package = bench.write("x.rpm", &bench.rpm(&base()));
    let root = bench.dir.path().join("root");
    fs::create_dir(&root).expect("room for a folder");
    tool("rpm", &["--root", text(&root), "-i", "--nodeps", "--noscripts", "--ignorearch", text(&package)]);
    assert!(
        fs::read(root.join(&ENVOY[1..])).expect("it was installed") == fs::read(&bench.large).expect("it is there")
    );
    let verified = tool_text("rpm", &["--root", text(&root), "-V", "--nodeps", "istio-sidecar"]);
    assert_eq!(verified, "");
}

#[test]
fn the_stream_is_one_with_the_same_blocks_as_in_a_deb() {
    let bench = Bench::new();
    let package = bench.rpm(&base());
    let deb = bench.deb(&support::deb_base("-Zxz"));
    for payload in [bench.compress(&bench.large), bench.compress(&bench.small)] {
        let blocks = fs::read(payload.path()).expect("it was stored");
        assert!(holds(&package, &blocks) && holds(&deb, &blocks));
    }
    let start = package.windows(6).position(|window| window == b"\xfd7zXZ\0").expect("the payload is xz");
    let stream = bench.write("payload.xz", &package[start..]);
    tool("xz", &["--test", text(&stream)]);
    let list = tool_text("xz", &["--robot", "--list", text(&stream)]);
    assert!(list.lines().any(|line| line.starts_with("file\t1\t8\t")), "one stream, eight blocks: {list}");
}

#[test]
fn the_result_depends_on_the_content_of_the_base_alone() {
    let bench = Bench::new();
    let [first, others @ ..] = COMPRESSIONS.map(|compression| bench.rpm(&rpm_base(compression)));
    assert!(others.iter().all(|other| *other == first));
    let normal = splice_rpm(&base(), &[]);
    assert!(splice_rpm(&normal, &[]) == normal, "what is normal stays as it is");
}

#[test]
fn createrepo_reads_it() {
    let bench = Bench::new();
    let repo = bench.dir.path().join("repo");
    fs::create_dir(&repo).expect("room for a folder");
    fs::write(repo.join("x.rpm"), bench.rpm(&base())).expect("room for a package");
    tool("createrepo_c", &["--quiet", "--compress-type=gz", text(&repo)]);
    let show = format!("zcat {}/repodata/*-primary.xml.gz", text(&repo));
    let primary = tool_text("sh", &["-c", &show]);
    assert!(
        primary.contains("<name>istio-sidecar</name>") && primary.contains(&format!("build=\"{TIME}\"")),
        "{primary}"
    );
}

#[test]
fn requires_an_rpm_that_knows_xz_once() {
    let bench = Bench::new();
    for compression in COMPRESSIONS {
        let package = bench.write("x.rpm", &splice_rpm(&bench.rpm(&rpm_base(compression)), &[]));
        let requires = tool_text("rpm", &["-qp", "--requires", text(&package)]);
        let formats: Vec<_> = requires.lines().filter(|line| line.contains("PayloadIs")).collect();
        assert_eq!(formats, ["rpmlib(PayloadIsXz) <= 5.2-1"]);
        assert!(requires.lines().any(|line| line == "systemd"), "{requires}");
    }
}

#[test]
fn descriptive_fields_are_edited() {
    let edit = HeaderEdit::new()
        .set(HeaderField::Vendor, "The Slipway authors")
        .and_then(|edit| edit.set(HeaderField::Summary, "another"))
        .expect("the fields are good")
        .remove(HeaderField::SourceRpm);
    let mut out = Vec::new();
    rpms::splice(&base(), &[], &edit, FINISH, &mut out).expect("the base is good");
    let bench = Bench::new();
    let package = bench.write("x.rpm", &out);
    let fields = tool_text("rpm", &["-qp", "--qf", "%{VENDOR}|%{SUMMARY}|%{SOURCERPM}|%{NEVRA}", text(&package)]);
    assert_eq!(fields, "The Slipway authors|another|(none)|istio-sidecar-2.3-1.x86_64");
    tool("rpm", &["-K", text(&package)]);
}

#[test]
fn a_payload_takes_the_place_of_an_empty_regular_file() {
    let bench = Bench::new();
    let base = base();
    let large = bench.compress(&bench.large);
    let file = |at: &str| PayloadFile { install_path: path(at), mode: 0o755, payload: &large, source: &bench.large };
    let splice = |files: &[PayloadFile<'_>]| rpms::splice(&base, files, &HeaderEdit::new(), FINISH, &mut Vec::new());
    for at in ["/usr/bin/wrapper", "/usr/bin/link", "/var/lib/istio", "/usr/bin/other"] {
        let error = splice(&[file(at)]).expect_err(at);
        assert!(matches!(&error, RpmError::Placeholder(path) if path.as_str() == at), "{at}: {error}");
    }
    assert!(matches!(splice(&[file(ENVOY), file(ENVOY)]), Err(RpmError::Placeholder(_))));
    let other = PayloadFile { source: &bench.small, ..file(ENVOY) };
    let error = splice(&[other]).expect_err("the source is another file");
    assert!(error.to_string().ends_with("/small"), "{error}");
}

#[test]
fn inspection_agrees_with_rpm_at_both_depths() {
    let bench = Bench::new();
    let package = bench.write("x.rpm", &bench.rpm(&base()));
    let (large, small) = (bench.compress(&bench.large), bench.compress(&bench.small));
    let full = inspect::rpm(&package, Depth::Full).expect("the package is good");
    let quick = inspect::rpm(&package, Depth::Headers(&[&small, &large])).expect("the package is good");
    assert_eq!(full, quick);
    assert_eq!((full.name.as_str(), full.epoch, full.version.as_str()), ("istio-sidecar", None, "2.3"));
    assert_eq!((full.release.as_str(), full.arch.as_str(), full.license.as_str()), ("1", "x86_64", "Apache-2.0"));
    assert_eq!((full.build_time, full.build_host.as_deref()), (Some(TIME), Some("localhost")));
    for (option, list) in [("--requires", &full.requires), ("--provides", &full.provides)] {
        let mut ours: Vec<_> = list.iter().map(ToString::to_string).collect();
        ours.sort();
        let theirs = tool_text("rpm", &["-qp", option, text(&package)]);
        let mut theirs: Vec<_> = theirs.lines().collect();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
    }
    assert_eq!(full.scripts["postin"].text, "echo hello");
    assert_eq!(full.config_files, [path("/etc/istio/sidecar.env")]);
    let paths: Vec<_> = full.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, tool_text("rpm", &["-qpl", text(&package)]).lines().collect::<Vec<_>>());
    let envoy = full.files.iter().find(|file| file.path.as_str() == ENVOY).expect("it was put in");
    assert_eq!(envoy.kind, FileKind::Regular { size: 3_000_001, sha256: large.sha256() });
    assert_eq!((envoy.mode, envoy.owner.as_str(), envoy.mtime), (0o755, "root", TIME.into()));
    let link = full.files.iter().find(|file| file.path.as_str() == "/usr/bin/link").expect("it is there");
    assert_eq!(link.kind, FileKind::Symlink { target: "wrapper".to_owned() });
}

#[test]
fn a_base_with_other_content_than_it_records_is_refused() {
    let mut base = rpm_base(CompressionWithLevel::None);
    let at = base.windows(16).rposition(|window| window == b"wrapper wrapper ").expect("it is not compressed");
    base[at] ^= 1;
    let error = rpms::splice(&base, &[], &HeaderEdit::new(), FINISH, &mut Vec::new()).expect_err("a file is damaged");
    assert!(matches!(&error, RpmError::Content(path) if path.as_str() == "/usr/bin/wrapper"), "{error}");
    let error = inspect::rpm_bytes(&base, Depth::Full).expect_err("a file is damaged");
    assert!(matches!(error, InspectError::Digest("SHA-256 digest of the payload")), "{error}");
}

#[test]
fn inspection_notices_every_damage() {
    let bench = Bench::new();
    let package = bench.rpm(&base());
    let (large, small) = (bench.compress(&bench.large), bench.compress(&bench.small));
    for at in (200..package.len()).step_by(package.len() / 40) {
        let mut damaged = package.clone();
        damaged[at] ^= 1;
        // The reserved space of the signature header is covered by nothing.
        if damaged[at] == 1 && at < 4500 {
            continue;
        }
        inspect::rpm_bytes(&damaged, Depth::Full).expect_err("one bit is wrong");
        inspect::rpm_bytes(&damaged, Depth::Headers(&[&large, &small])).expect_err("one bit is wrong");
    }
    // Another digest covers the same bytes as this one.
    let header = package.windows(4).rposition(|window| window == [0x8e, 0xad, 0xe8, 1]).expect("it has a header");
    let md5 = Md5Digest::of(&package[header..]);
    let at = package.windows(16).position(|window| window == md5.as_bytes()).expect("MD5 is recorded");
    let mut damaged = package.clone();
    damaged[at] ^= 1;
    let error = inspect::rpm_bytes(&damaged, Depth::Full).expect_err("the MD5 digest is wrong");
    assert!(matches!(error, InspectError::Digest("MD5 digest")), "{error}");
    let other = bench.write("other", &support::half_compressible(3_000_001, 9));
    let other = bench.compress(&other);
    let error = inspect::rpm_bytes(&package, Depth::Headers(&[&other])).expect_err("it is not there");
    assert!(matches!(error, InspectError::PayloadMissing { sha256 } if sha256 == other.sha256()), "{error}");
}
