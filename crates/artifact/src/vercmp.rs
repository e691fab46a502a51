//! The order of version strings, as dpkg and as rpm see it. Both are checked against the tools by property tests.

use std::cmp::Ordering;

/// Compares two Debian versions `[epoch:]upstream[-revision]` (deb-version(7), `dpkg --compare-versions`).
#[must_use]
pub fn cmp_debian(a: &str, b: &str) -> Ordering {
    let split = |version| -> (u64, &str, &str) {
        let (epoch, rest) = str::split_once(version, ':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.parse().unwrap_or(0), upstream, revision)
    };
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0)
        .then_with(|| cmp_debian_part(a.1.as_bytes(), b.1.as_bytes()))
        .then_with(|| cmp_debian_part(a.2.as_bytes(), b.2.as_bytes()))
}

/// Compares by turns a run of non-digits and a run of digits.
fn cmp_debian_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    // `~` sorts before the end, the end before letters, letters before the rest.
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_digit() => 0,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let non_digit = |bytes: &[u8]| bytes.first().is_some_and(|byte| !byte.is_ascii_digit());
    while !a.is_empty() || !b.is_empty() {
        while non_digit(a) || non_digit(b) {
            let order = weight(a.first()).cmp(&weight(b.first()));
            if order.is_ne() {
                return order;
            }
            a = &a[1..];
            b = &b[1..];
        }
        let order = cmp_number(take(&mut a, u8::is_ascii_digit), take(&mut b, u8::is_ascii_digit));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Compares two RPM versions `[epoch:]version[-release]` (rpm-version(7), `rpm.ver`). No release sorts below any release.
#[must_use]
pub fn cmp_rpm(a: &str, b: &str) -> Ordering {
    let split = |version| -> (u64, &str, Option<&str>) {
        let (epoch, rest) = str::split_once(version, ':').unwrap_or(("0", version));
        let (version, release) =
            rest.rsplit_once('-').map_or((rest, None), |(version, release)| (version, Some(release)));
        (epoch.parse().unwrap_or(0), version, release)
    };
    let (a, b) = (split(a), split(b));
    a.0.cmp(&b.0).then_with(|| cmp_rpm_part(a.1.as_bytes(), b.1.as_bytes())).then_with(|| match (a.2, b.2) {
        (Some(a), Some(b)) => cmp_rpm_part(a.as_bytes(), b.as_bytes()),
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

/// Compares segments of digits or of letters; everything else but `~` and `^` only separates.
fn cmp_rpm_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let separator = |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'~' | b'^');
    loop {
        take(&mut a, separator);
        take(&mut b, separator);
        // `~` sorts below everything, the end included.
        match (a.first() == Some(&b'~'), b.first() == Some(&b'~')) {
            (true, true) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        // `^` sorts above the end and below everything else.
        match (a.first() == Some(&b'^'), b.first() == Some(&b'^')) {
            (true, true) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (true, false) => return if b.is_empty() { Ordering::Greater } else { Ordering::Less },
            (false, true) => return if a.is_empty() { Ordering::Less } else { Ordering::Greater },
            (false, false) => {}
        }
        let (Some(first), false) = (a.first(), b.is_empty()) else {
            return a.len().min(1).cmp(&b.len().min(1));
        };
        let order = if first.is_ascii_digit() {
            let number = take(&mut a, u8::is_ascii_digit);
            let other = take(&mut b, u8::is_ascii_digit);
            if other.is_empty() {
                return Ordering::Greater;
            }
            cmp_number(number, other)
        } else {
            let letters = take(&mut a, u8::is_ascii_alphabetic);
            let other = take(&mut b, u8::is_ascii_alphabetic);
            if other.is_empty() {
                return Ordering::Less;
            }
            letters.cmp(other)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes the longest prefix whose bytes all match.
fn take<'a>(bytes: &mut &'a [u8], matches: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = bytes.iter().position(|byte| !matches(byte)).unwrap_or(bytes.len());
    let (head, tail) = bytes.split_at(end);
    *bytes = tail;
    head
}

/// Compares runs of digits as numbers of any length.
fn cmp_number(mut a: &[u8], mut b: &[u8]) -> Ordering {
    take(&mut a, |&byte| byte == b'0');
    take(&mut b, |&byte| byte == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sort_pre_releases_below_releases() {
        let ascending = [
            "1:0.1.0~rc.1+20260101000000-1",
            "1:0.1.0~rc.1+20260102000000-1",
            "1:0.1.0+20250101000000-1",
            "1:0.1.0+20250101000000.dirty-1",
            "1:0.1.0+20250101000001-1",
            "1:0.2.0+20240101000000-1",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(cmp_debian(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(cmp_rpm(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn ours_is_newer_than_istios_own_package() {
        assert_eq!(cmp_debian("1.31.0", "1:0.1.0+20260101000000-1"), Ordering::Less);
        assert_eq!(cmp_rpm("1.31.0-1", "1:0.1.0+20260101000000-1"), Ordering::Less);
    }
}
