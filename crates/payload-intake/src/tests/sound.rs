use std::{fs, os::unix::fs::symlink};

use artifact::Sha256Digest;

use crate::{ArchiveKind, Compression, EntryKind, IntakeError, Limits, extract, testing::*};

const ENVOY: &str = "usr/local/bin/envoy";
const TEMPLATE: &str = "var/lib/istio/envoy/envoy_bootstrap_tmpl.json";

#[test]
fn takes_members_out_of_every_format_in_the_order_asked_for() {
    // Several buffers long.
    let program = noise(400_000);
    for format in Format::all() {
        let entries = [
            ("./usr/local/bin/", Node::Directory),
            ("./usr/local/bin/pilot-agent", file("agent")),
            ("./usr/local/bin/envoy", file(program.clone())),
            ("./usr/local/bin/latest", Node::Symlink("envoy")),
            ("./var/lib/istio/envoy/envoy_bootstrap_tmpl.json", file("{}")),
        ];
        let bench = Bench::new(&format.archive(&entries));
        let extracted = bench.extract(format.kind(), &[TEMPLATE, ENVOY], Limits::default());
        let extracted = extracted.unwrap_or_else(|error| panic!("{format:?}: {error:?}"));
        assert_eq!(bench.left(), ["dest/envoy", "dest/envoy_bootstrap_tmpl.json"], "{format:?}");
        for (extracted, (member, content)) in extracted.iter().zip([(TEMPLATE, &b"{}"[..]), (ENVOY, &program)]) {
            assert_eq!(extracted.member.as_str(), member, "{format:?}");
            assert_eq!(extracted.size, content.len() as u64, "{format:?}");
            assert_eq!(extracted.sha256, Sha256Digest::of(content), "{format:?}");
            assert_eq!(fs::read(&extracted.path).expect("written"), content, "{format:?}");
        }
    }
}

#[test]
fn names_all_missing_members_and_where_they_may_be() {
    for format in Format::all() {
        let archive =
            format.archive(&[("envoy/_bin/envoy", file("x")), ("pilot-agents", file("x")), ("other", file("x"))]);
        let bench = Bench::new(&archive);
        let error = bench.extract(format.kind(), &["other", ENVOY, "bin/pilot-agent"], Limits::default());
        let error = error.expect_err("missing");
        assert!(error.to_string().ends_with("has no member `usr/local/bin/envoy`, `bin/pilot-agent`"), "{error}");
        let hint = error.hint();
        assert_eq!(hint.as_deref(), Some("the archive has `envoy/_bin/envoy`, `pilot-agents`"), "{format:?}");
        assert_eq!(bench.left(), Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn takes_members_out_of_a_directory_without_following_links() {
    let bench = Bench::new(b"");
    let folder = bench.root.path().join("folder");
    fs::create_dir_all(folder.join("usr/local/bin")).expect("made");
    fs::write(folder.join(ENVOY), "program").expect("written");
    symlink("/etc", folder.join("etc")).expect("linked");
    symlink("envoy", folder.join("usr/local/bin/latest")).expect("linked");
    let take = |member: &str, limits| extract(ArchiveKind::Directory, &folder, &wanted(&[member]), &bench.dest, limits);

    let extracted = take(ENVOY, Limits::default()).expect("there");
    assert_eq!(extracted[0].sha256, Sha256Digest::of(b"program"));
    let error = take("usr/local/bin/latest", Limits::default()).expect_err("a link");
    assert!(matches!(error, IntakeError::NotRegular { found: EntryKind::Symlink, .. }), "{error}");
    let error = take("etc/passwd", Limits::default()).expect_err("behind a link");
    assert!(matches!(error, IntakeError::Missing { .. }), "{error}");
    let error = take(ENVOY, Limits { entries: 3, ..Limits::default() }).expect_err("six entries");
    assert!(matches!(error, IntakeError::Limit { .. }), "{error}");
}

#[test]
fn takes_a_plain_file_as_the_one_member() {
    let bench = Bench::new(b"\x7fELF...");
    let extracted = bench.extract(ArchiveKind::File, &[ENVOY], Limits::default()).expect("one");
    assert_eq!(extracted[0].sha256, Sha256Digest::of(b"\x7fELF..."));
    let error = bench.extract(ArchiveKind::File, &[ENVOY, TEMPLATE], Limits::default()).expect_err("two");
    assert!(matches!(error, IntakeError::NotOneMember { wanted: 2, .. }), "{error}");
}

#[test]
fn reads_long_names_of_gnu_and_pax() {
    let long = format!("{}/envoy", "folder".repeat(40));
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    gnu.append_data(&mut header, &long, &b"go"[..]).expect("in memory");
    let mut pax = tar::Builder::new(Vec::new());
    // A value may hold newlines: the length before the key counts.
    let attributes = [("SCHILY.xattr.user.a", &b"1\n9 path=x\n"[..]), ("path", long.as_bytes())];
    pax.append_pax_extensions(attributes).expect("in memory");
    header.set_cksum();
    pax.append(&header, &b"go"[..]).expect("in memory");
    for builder in [gnu, pax] {
        let bench = Bench::new(&builder.into_inner().expect("in memory"));
        let extracted =
            bench.extract(ArchiveKind::Tar(Compression::Plain), &[&long], Limits::default()).expect("there");
        assert_eq!(extracted[0].sha256, Sha256Digest::of(b"go"));
    }
}

#[test]
fn refuses_a_request_that_contradicts_itself() {
    let bench = Bench::new(&Format::Zip.archive(&[("bin/envoy", file("x"))]));
    let twice = bench.extract(ArchiveKind::Zip, &["bin/envoy", "bin/envoy"], Limits::default()).expect_err("twice");
    assert!(matches!(twice, IntakeError::MemberAskedTwice { .. }), "{twice}");
    let clash = bench.extract(ArchiveKind::Zip, &["bin/envoy", "sbin/envoy"], Limits::default()).expect_err("one name");
    assert!(matches!(clash, IntakeError::FileNameAskedTwice { .. }), "{clash}");
}

#[test]
fn moves_nothing_in_when_one_file_cannot_be_moved() {
    let bench = Bench::new(&Format::Zip.archive(&[("bin/envoy", file("x")), ("bin/agent", file("x"))]));
    fs::create_dir(bench.dest.join("agent")).expect("made");
    let error =
        bench.extract(ArchiveKind::Zip, &["bin/envoy", "bin/agent"], Limits::default()).expect_err("in the way");
    assert!(matches!(error, IntakeError::Write { .. }), "{error}");
    assert_eq!(bench.left(), ["dest/agent"]);
}
