//! Archives that no tool wrote: whatever stands in them, nothing panics, nothing is written elsewhere, limits hold.

use proptest::{prelude::*, sample::Index};

use crate::{ArchiveKind, Compression, Limits, testing::*};

const LIMITS: Limits = Limits { entries: 50, total_bytes: 64 << 10, member_bytes: 16 << 10 };

fn check(archive: &[u8], kind: ArchiveKind) -> Result<(), TestCaseError> {
    let bench = Bench::new(archive);
    match bench.extract(kind, &["bin/envoy", "agent"], LIMITS) {
        Ok(extracted) => {
            prop_assert_eq!(bench.left(), ["dest/agent", "dest/envoy"]);
            for member in extracted {
                prop_assert!(member.size <= LIMITS.member_bytes);
                let content = std::fs::read(&member.path).expect("written");
                prop_assert_eq!(artifact::Sha256Digest::of(&content), member.sha256);
            }
        }
        Err(error) => {
            prop_assert_eq!(bench.left(), Vec::<String>::new(), "left after: {}", error);
        }
    }
    Ok(())
}

fn formats() -> impl Strategy<Value = Format> {
    proptest::sample::select(Format::all())
}

fn valid(format: Format) -> Vec<u8> {
    format.archive(&[
        ("bin/envoy", file("program".repeat(300))),
        ("link", Node::Symlink("bin/envoy")),
        ("agent", file("agent")),
    ])
}

#[test]
fn the_unchanged_archive_is_accepted() {
    for format in Format::all() {
        assert!(
            Bench::new(&valid(format)).extract(format.kind(), &["bin/envoy", "agent"], LIMITS).is_ok(),
            "{format:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_bytes_behind_a_valid_beginning_are_safe(format in formats(), keep: Index, tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut archive = valid(format);
        archive.truncate(keep.index(archive.len()));
        archive.extend(tail);
        check(&archive, format.kind())?;
    }

    #[test]
    fn any_changed_bytes_are_safe(format in formats(), changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut archive = valid(format);
        for (at, byte) in changes {
            let at = at.index(archive.len());
            archive[at] = byte;
        }
        check(&archive, format.kind())?;
    }

    #[test]
    fn any_changed_structure_inside_compression_is_safe(
        cpio_inside: bool,
        compression in proptest::sample::select(vec![Compression::Gzip, Compression::Xz, Compression::Zstd]),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
    ) {
        let entries = [("bin/envoy", file("program")), ("agent", file("agent"))];
        let mut inside = if cpio_inside { cpio(&entries) } else { tar(&entries) };
        for (at, byte) in changes {
            let at = at.index(inside.len());
            inside[at] = byte;
        }
        let inside = compress(compression, &inside);
        if cpio_inside {
            check(&rpm(&inside), ArchiveKind::Rpm)?;
        } else {
            check(&deb(compression, &inside), ArchiveKind::Deb)?;
        }
    }

    #[test]
    fn any_directory_of_a_zip_is_safe(changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6)) {
        let mut archive = valid(Format::Zip);
        let directory = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("has one");
        for (at, byte) in changes {
            let at = directory + at.index(archive.len() - directory);
            archive[at] = byte;
        }
        check(&archive, ArchiveKind::Zip)?;
    }
}
