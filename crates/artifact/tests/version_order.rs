//! The order of versions, judged by dpkg and by rpm themselves.

use std::{cmp::Ordering, fmt::Write as _, process::Command};

use artifact::{cmp_debian, cmp_rpm};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

/// Pairs that are often nearly equal: the second is the first with a piece put in, or another version altogether.
fn pairs(pattern: &'static str, count: usize) -> Vec<(String, String)> {
    // A fixed seed: each run judges the same pairs, and a failure can be looked at.
    let mut runner = TestRunner::deterministic();
    let strategy = (pattern, pattern, any::<prop::sample::Index>(), "[~+^.0-9a-z]{0,2}", any::<bool>());
    (0..count)
        .map(|_| {
            let (a, b, at, piece, near) = strategy.new_tree(&mut runner).expect("no filters").current();
            if near {
                let start = a.find(':').map_or(1, |colon| colon + 2);
                let end = a.find('-').unwrap_or(a.len());
                let at = start + at.index(end - start + 1);
                let changed = format!("{}{piece}{}", &a[..at], &a[at..]);
                (a, changed)
            } else {
                (a, b)
            }
        })
        .collect()
}

#[test]
fn debian_order_agrees_with_dpkg() {
    let dpkg = |a: &str, relation: &str, b: &str| {
        let status = Command::new("dpkg").args(["--compare-versions", a, relation, b]).status().expect("dpkg is there");
        status.success()
    };
    let mut seen = std::collections::BTreeSet::new();
    for (a, b) in pairs("([01]:)?[0-9][0-9a-c.+~]{0,8}(-[0-9a-c.+~]{1,4})?", 400) {
        // `^` is no character of a Debian version.
        let (a, b) = (a.replace('^', "+"), b.replace('^', "+"));
        let expected = if dpkg(&a, "lt", &b) {
            Ordering::Less
        } else if dpkg(&a, "gt", &b) {
            Ordering::Greater
        } else {
            Ordering::Equal
        };
        assert_eq!(cmp_debian(&a, &b), expected, "{a} {b}");
        assert_eq!(cmp_debian(&b, &a), expected.reverse(), "{b} {a}");
        seen.insert(expected);
    }
    assert_eq!(seen.len(), 3, "every verdict occurs: {seen:?}");
}

#[test]
fn rpm_order_agrees_with_rpm() {
    let pairs = pairs("([01]:)?[0-9][0-9a-c.+~^_]{0,8}(-[0-9a-c.+~^_]{1,4})?", 2000);
    // One rpm for all pairs; `rpm.ver` compares as a dependency solver does, epoch first.
    let mut script = String::from("local v = rpm.ver\nlocal function c(a, b)\n");
    script.push_str("print(v(a) < v(b) and '<' or v(b) < v(a) and '>' or '=')\nend\n");
    for (a, b) in &pairs {
        let _ = writeln!(script, "c('{a}', '{b}')");
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), script).expect("a script");
    let macros = format!("%{{lua: dofile('{}')}}", file.path().display());
    let output = Command::new("rpm").args(["--eval", &macros]).output().expect("rpm is there");
    let verdicts = String::from_utf8_lossy(&output.stdout);
    let verdicts: Vec<char> = verdicts.chars().filter(|c| "<>=".contains(*c)).collect();
    assert_eq!(verdicts.len(), pairs.len(), "{}", String::from_utf8_lossy(&output.stderr));
    for ((a, b), verdict) in pairs.iter().zip(&verdicts) {
        let expected = match verdict {
            '<' => Ordering::Less,
            '>' => Ordering::Greater,
            _ => Ordering::Equal,
        };
        assert_eq!(cmp_rpm(a, b), expected, "{a} {b}");
        assert_eq!(cmp_rpm(b, a), expected.reverse(), "{b} {a}");
    }
    assert!("<>=".chars().all(|verdict| verdicts.contains(&verdict)), "every verdict occurs");
}

proptest! {
    #![proptest_config(Config::with_cases(2000))]

    #[test]
    fn any_text_compares_without_a_panic(a: String, b: String) {
        prop_assert_eq!(cmp_debian(&a, &b), cmp_debian(&b, &a).reverse());
        prop_assert_eq!(cmp_rpm(&a, &b), cmp_rpm(&b, &a).reverse());
    }
}
