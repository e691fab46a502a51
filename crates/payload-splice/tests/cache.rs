//! The cache of compressed payloads.

mod support;

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use artifact::Sha256Digest;
use payload_splice::{BlockCache, CacheError, Md5Digest};
use support::{Bench, LEVEL, digest, threads};

#[test]
fn blocks_do_not_depend_on_the_number_of_threads() {
    let bench = Bench::new();
    let blocks = [1, 2, 3, 8].map(|count| {
        let cache = BlockCache::new(bench.dir.path().join(format!("cache{count}")));
        let payload = cache.compress(&bench.large, digest(&bench.large), LEVEL, threads(count), &|_| ()).expect("good");
        assert!(!payload.cached());
        fs::read(payload.path()).expect("it was stored")
    });
    assert!(blocks.iter().all(|other| *other == blocks[0]));
}

#[test]
fn records_what_the_file_is_and_finds_it_again() {
    let bench = Bench::new();
    let content = fs::read(&bench.large).expect("it is there");
    let first = bench.compress(&bench.large);
    let again = bench.compress(&bench.large);
    assert!(!first.cached() && again.cached());
    for payload in [first, again] {
        assert_eq!(payload.size(), content.len() as u64);
        assert_eq!(payload.sha256(), Sha256Digest::of(&content));
        assert_eq!(payload.md5(), Md5Digest::of(&content));
        assert_eq!(payload.stored_size(), fs::metadata(payload.path()).expect("it was stored").len());
        assert!(payload.stored_size() < payload.size() * 3 / 4);
    }
}

#[test]
fn tells_progress_up_to_the_size_of_the_file() {
    let bench = Bench::new();
    for _ in 0..2 {
        let done = AtomicU64::new(0);
        let add = |bytes| {
            done.fetch_add(bytes, Ordering::Relaxed);
        };
        bench.cache.compress(&bench.large, digest(&bench.large), LEVEL, threads(2), &add).expect("good");
        assert_eq!(done.into_inner(), 3_000_001);
    }
}

#[test]
fn a_file_with_another_digest_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let other = Sha256Digest::of(b"another");
    let error = bench.cache.compress(&bench.large, other, LEVEL, threads(2), &|_| ()).expect_err("it must be refused");
    assert!(matches!(&error, CacheError::Digest { expected, .. } if *expected == other), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("large")));
    assert_eq!(entries(&bench), Vec::<PathBuf>::new());
}

#[test]
fn a_missing_file_is_named() {
    let bench = Bench::new();
    let missing = bench.dir.path().join("missing");
    let error = bench.cache.compress(&missing, Sha256Digest::of(b""), LEVEL, threads(2), &|_| ()).expect_err("refused");
    assert!(error.to_string().ends_with("/missing"), "{error}");
}

#[test]
fn a_damaged_entry_is_made_again() {
    let bench = Bench::new();
    let good = bench.compress(&bench.large);
    let blocks = fs::read(good.path()).expect("it was stored");
    let json = good.path().with_extension("json");
    let record = fs::read_to_string(&json).expect("it was stored");
    let mut flipped = blocks.clone();
    flipped[blocks.len() / 2] ^= 1;
    let damages: [(&str, &dyn Fn()); 6] = [
        ("flipped", &|| fs::write(good.path(), &flipped).expect("ours")),
        ("short", &|| fs::write(good.path(), &blocks[1..]).expect("ours")),
        ("gone", &|| fs::remove_file(good.path()).expect("ours")),
        ("no JSON", &|| fs::write(&json, "{").expect("ours")),
        ("no record", &|| fs::remove_file(&json).expect("ours")),
        ("other size", &|| fs::write(&json, record.replace("3000001", "3000002")).expect("ours")),
    ];
    for (name, damage) in damages {
        damage();
        let again = bench.compress(&bench.large);
        assert!(!again.cached(), "{name}");
        assert_eq!(fs::read(again.path()).expect("it was stored"), blocks, "{name}");
        assert!(bench.compress(&bench.large).cached(), "{name}");
    }
    assert_eq!(entries(&bench).len(), 2, "only the entry's two files are left");
}

fn entries(bench: &Bench) -> Vec<PathBuf> {
    let dir = fs::read_dir(bench.dir.path().join("cache")).expect("the cache was made");
    dir.map(|entry| entry.expect("it can be read").path()).collect()
}
