//! Damaged packages give errors: never a panic, never a package.

mod support;

use std::sync::LazyLock;

use payload_splice::{
    deb::{self, ControlEdit},
    inspect::{self, Depth},
    rpm::{self as rpms, HeaderEdit},
};
use proptest::{prelude::*, sample::Index};
use support::{FINISH, deb_base, rpm_base, splice_deb, splice_rpm};

/// Uncompressed, so that damage reaches the inner formats.
static BASES: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    let (deb, rpm) = (deb_base("-Znone"), rpm_base(rpm::CompressionWithLevel::None));
    let (spliced_deb, spliced_rpm) = (splice_deb(&deb, &[]), splice_rpm(&rpm, &[]));
    [deb, rpm, spliced_deb, spliced_rpm]
});

fn read_all(bytes: &[u8]) -> [bool; 4] {
    [
        deb::splice(bytes, &[], &ControlEdit::new(), FINISH, &mut Vec::new()).is_ok(),
        rpms::splice(bytes, &[], &HeaderEdit::new(), FINISH, &mut Vec::new()).is_ok(),
        inspect::deb_bytes(bytes, Depth::Full).is_ok() | inspect::deb_bytes(bytes, Depth::Headers(&[])).is_ok(),
        inspect::rpm_bytes(bytes, Depth::Full).is_ok() | inspect::rpm_bytes(bytes, Depth::Headers(&[])).is_ok(),
    ]
}

#[test]
fn good_packages_are_read() {
    assert_eq!(
        BASES.each_ref().map(|base| read_all(base)),
        [
            [true, false, false, false],
            [false, true, false, true],
            [true, false, true, false],
            [false, true, false, true],
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_no_package(which in 0usize..4, keep in 0usize..300, bytes: Vec<u8>) {
        let mut all = BASES[which][..keep].to_vec();
        all.extend(bytes);
        prop_assert_eq!(read_all(&all), [false; 4]);
    }

    #[test]
    fn truncated_packages_are_refused(which in 0usize..4, cut: Index) {
        let base = &BASES[which];
        // The last byte may be padding.
        prop_assert_eq!(read_all(&base[..cut.index(base.len() - 1)]), [false; 4]);
    }

    #[test]
    fn mutated_packages_never_panic(which in 0usize..4, flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut bytes = BASES[which].clone();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_all(&bytes);
    }

    #[test]
    fn mutated_headers_never_panic(which in 0usize..4, flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut bytes = BASES[which].clone();
        // The signature header's reserved space would take most hits.
        let start = if which % 2 == 1 { 4300 } else { 0 };
        for (at, byte) in flips {
            let at = start + at.index(1000.min(bytes.len() - start));
            bytes[at] = byte;
        }
        read_all(&bytes);
    }
}
