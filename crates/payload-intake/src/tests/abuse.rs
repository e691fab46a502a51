use crate::{ArchiveKind, Compression, EntryKind, IntakeError, Limit, Limits, NameError, testing::*};

const ENVOY: &str = "bin/envoy";

fn refused_by_default(archive: &[u8], format: Format) -> IntakeError {
    refused(archive, format.kind(), ENVOY, Limits::default())
}

#[test]
fn refuses_the_archive_for_a_parent_dir_in_any_entry() {
    for format in Format::all() {
        for name in ["../evil", "bin/../../evil", "./bin/..", "bin\\..\\evil"] {
            let archive = format.archive(&[("bin/envoy", file("x")), (name, file("x"))]);
            let error = refused_by_default(&archive, format);
            let found =
                matches!(&error, IntakeError::UnsafeEntry { source: NameError::ParentDir, entry, .. } if entry == name);
            assert!(found, "{format:?} {name}: {error}");
        }
    }
}

#[test]
fn refuses_the_archive_for_an_absolute_entry_where_names_are_relative() {
    for format in Format::all() {
        let archive = format.archive(&[("bin/envoy", file("x")), ("/etc/evil", file("x"))]);
        if let Format::Rpm(_) = format {
            // The format's own paths are absolute, so the slash says nothing.
            Bench::new(&archive).extract(format.kind(), &["etc/evil"], Limits::default()).expect("same as relative");
            continue;
        }
        let error = refused_by_default(&archive, format);
        assert!(matches!(error, IntakeError::UnsafeEntry { source: NameError::Absolute, .. }), "{format:?}: {error}");
    }
}

#[test]
fn refuses_a_wanted_member_that_is_not_a_regular_file() {
    let kinds: [(fn() -> Node, EntryKind); 4] = [
        (|| Node::Symlink("other"), EntryKind::Symlink),
        (|| Node::HardLink("other"), EntryKind::HardLink),
        (|| Node::Directory, EntryKind::Directory),
        (|| Node::Device, EntryKind::Special),
    ];
    for format in Format::all() {
        for (node, kind) in kinds {
            if format == Format::Zip && kind != EntryKind::Symlink {
                continue;
            }
            let archive = format.archive(&[("other", file("x")), ("bin/envoy", node())]);
            let error = refused_by_default(&archive, format);
            let found = matches!(&error, IntakeError::NotRegular { found, member, .. } if *found == kind && member.as_str() == ENVOY);
            assert!(found, "{format:?} {kind}: {error}");
        }
    }
    let folder = Format::Zip.archive(&[("bin/envoy/", Node::Directory)]);
    let error = refused_by_default(&folder, Format::Zip);
    assert!(matches!(error, IntakeError::NotRegular { found: EntryKind::Directory, .. }), "{error}");
}

#[test]
fn refuses_a_wanted_member_that_appears_twice() {
    for format in Format::all() {
        for second in ["bin/envoy", "./bin//envoy"] {
            let error = refused_by_default(&format.archive(&[("bin/envoy", file("x")), (second, file("y"))]), format);
            assert!(matches!(error, IntakeError::Duplicate { .. }), "{format:?}: {error}");
        }
    }
}

#[test]
fn refuses_a_wanted_sparse_file_whose_map_would_pass_for_content() {
    let mut builder = tar::Builder::new(Vec::new());
    let attributes = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.name", b"bin/envoy")];
    builder.append_pax_extensions(attributes).expect("in memory");
    let mut header = tar::Header::new_ustar();
    header.set_path("GNUSparseFile.0/envoy").expect("short");
    header.set_size(2);
    header.set_cksum();
    builder.append(&header, &b"0\n"[..]).expect("in memory");
    let archive = builder.into_inner().expect("in memory");
    let error = refused_by_default(&archive, Format::Tar(Compression::Plain));
    assert!(matches!(error, IntakeError::NotRegular { found: EntryKind::Sparse, .. }), "{error}");
}

#[test]
fn stops_a_bomb_at_the_limit_of_all_bytes_though_its_member_is_not_wanted() {
    let limits = Limits { total_bytes: 1 << 20, ..Limits::default() };
    for format in Format::all() {
        let archive = format.archive(&[("zeros", file(vec![0; 10 << 20])), ("bin/envoy", file("x"))]);
        if format == Format::Zip {
            // Members stand apart, so those not wanted are never decompressed.
            Bench::new(&archive).extract(format.kind(), &[ENVOY], limits).expect("cheap");
            continue;
        }
        let error = refused(&archive, format.kind(), ENVOY, limits);
        let found = matches!(error, IntakeError::Limit { limit: Limit::TotalBytes(most), .. } if most == 1 << 20);
        assert!(found, "{format:?}: {error}");
    }
}

#[test]
fn stops_a_bomb_in_a_wanted_member_at_either_limit() {
    for format in Format::all() {
        let archive = format.archive(&[("bin/envoy", file(vec![0; 10 << 20]))]);
        let error = refused(&archive, format.kind(), ENVOY, Limits { total_bytes: 1 << 20, ..Limits::default() });
        assert!(matches!(error, IntakeError::Limit { limit: Limit::TotalBytes(_), .. }), "{format:?}: {error}");
        let error = refused(&archive, format.kind(), ENVOY, Limits { member_bytes: 1 << 20, ..Limits::default() });
        assert!(error.to_string().ends_with("exceeds the limit of 1048576 bytes per member in member `bin/envoy`"));
    }
}

#[test]
fn stops_a_zip_member_that_is_longer_than_it_declares() {
    let mut archive = Format::Zip.archive(&[("bin/envoy", file(vec![0; 10 << 20]))]);
    let size = (10_u32 << 20).to_le_bytes();
    let places: Vec<_> = (0..archive.len() - 4).filter(|at| archive[*at..].starts_with(&size)).collect();
    for at in places {
        archive[at..at + 4].copy_from_slice(&7_u32.to_le_bytes());
    }
    let error = refused_by_default(&archive, Format::Zip);
    assert!(error.to_string().contains("longer than its declared 7 bytes"), "{error}");
}

#[test]
fn stops_at_the_limit_of_entries() {
    let limits = Limits { entries: 4, ..Limits::default() };
    for format in Format::all() {
        let names = ["bin/envoy", "a-file", "b-file", "c-file", "d-file"];
        let archive = format.archive(&names.map(|name| (name, file("x"))));
        let error = refused(&archive, format.kind(), ENVOY, limits);
        assert!(matches!(error, IntakeError::Limit { limit: Limit::Entries(4), .. }), "{format:?}: {error}");
    }
}

#[test]
fn reads_no_tar_extension_of_unbounded_size_into_memory() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(64 << 20);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &vec![b'a'; 64 << 20][..]).expect("in memory");
    let archive = compress(Compression::Gzip, &builder.into_inner().expect("in memory"));
    let error = refused_by_default(&archive, Format::Tar(Compression::Gzip));
    assert!(error.to_string().contains("a tar extension header claims 67108864 bytes"), "{error}");
}

#[test]
fn calls_an_archive_truncated_wherever_it_is_cut() {
    let noise = noise(20_000);
    for format in Format::all() {
        let archive = format.archive(&[("bin/envoy", file(noise.clone())), ("other", file(noise.clone()))]);
        for share in [2, 5, 9] {
            let error = refused_by_default(&archive[..archive.len() * share / 10], format);
            assert!(matches!(error, IntakeError::Truncated { .. }), "{format:?} {share}: {error:?}");
        }
        // Without its last bytes at least the archive's own end is gone; tar ends in spare zeros.
        if !matches!(format, Format::Tar(Compression::Plain) | Format::Deb(Compression::Plain)) {
            let error = refused_by_default(&archive[..archive.len() - 5], format);
            assert!(matches!(error, IntakeError::Truncated { .. }), "{format:?}: {error:?}");
        }
    }
}

#[test]
fn notices_a_tar_that_is_cut_between_two_members() {
    let archive = tar(&[("bin/envoy", file("x")), ("other", file("x"))]);
    let error = refused_by_default(&archive[..1536], Format::Tar(Compression::Plain));
    assert!(matches!(error, IntakeError::Missing { .. } | IntakeError::Truncated { .. }), "{error}");
    let full = tar(&[("bin/envoy", file(vec![b'x'; 512]))]);
    let error = refused_by_default(&full[..1024], Format::Tar(Compression::Plain));
    assert!(matches!(error, IntakeError::Truncated { .. }), "{error}");
}

#[test]
fn names_both_kinds_when_the_content_is_not_what_the_name_says() {
    for format in Format::all() {
        let archive = format.archive(&[("bin/envoy", file("x"))]);
        for other in Format::all() {
            if other.kind() == format.kind() {
                continue;
            }
            let error = refused(&archive, other.kind(), ENVOY, Limits::default());
            let text = error.to_string();
            assert!(text.contains(&other.kind().to_string()) && text.contains(&format.kind().to_string()), "{text}");
        }
    }
    let error = refused(b"<html>not found", ArchiveKind::Zip, ENVOY, Limits::default());
    assert!(
        error.to_string().ends_with("should be a zip archive, but it is an unknown file that begins with `<html>no`")
    );
    let error = refused(b"", ArchiveKind::Deb, ENVOY, Limits::default());
    assert!(error.to_string().ends_with("but it is an empty file"), "{error}");
}

#[test]
fn notices_a_flipped_bit_in_checked_formats() {
    for format in
        [Format::Tar(Compression::Gzip), Format::Tar(Compression::Xz), Format::Tar(Compression::Zstd), Format::Zip]
    {
        let mut archive = format.archive(&[("bin/envoy", file(noise(3000)))]);
        let middle = archive.len() / 2;
        archive[middle] ^= 0x10;
        refused_by_default(&archive, format);
    }
}

#[test]
fn gives_an_xz_stream_no_more_memory_than_its_share() {
    // An encoder for such a dictionary takes gigabytes, so it is claimed in the block header instead.
    let mut archive = compress(Compression::Xz, &tar(&[("bin/envoy", file("x"))]));
    // Stream header of 12 bytes; then size, flags, filter id, property size, dictionary size; then a CRC-32.
    let length = (usize::from(archive[12]) + 1) * 4;
    assert_eq!(archive[14..16], [0x21, 1], "one LZMA2 filter");
    archive[16] = 36;
    let mut crc = flate2::Crc::new();
    crc.update(&archive[12..12 + length - 4]);
    archive[12 + length - 4..12 + length].copy_from_slice(&crc.sum().to_le_bytes());
    let error = refused_by_default(&archive, Format::Tar(Compression::Xz));
    assert!(matches!(error, IntakeError::Corrupt { .. }), "{error}");
}
