//! Full disks.

use std::{fs, io::Write, path::Path, process::Command};

use testkit::{disk::SmallDisk, run::Run};

use super::{
    make,
    site::{Says, Site},
    snapshot::Snapshot,
};

const HINT: &str = "free some space";

/// A new payload, locked, with nothing made from it.
fn new_payload(site: &Site, size: u32) {
    site.write(Site::PAYLOAD, make::large_program(size));
    site.succeeds(&["lock"]);
}

/// In kilobytes.
fn used(path: &Path) -> u32 {
    let output = Command::new("du").arg("-sk").arg(path).output().expect("coreutils are there");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn a_full_disk_under_the_tree_leaves_the_old_tree() {
    let site = Site::good().with_out("disk/out");
    let disk = SmallDisk::mount(&site.path("disk"), 64_000);
    site.dist_succeeds();
    let old = site.tree();
    // Room for this tree and half of another one: the new one is made beside it.
    disk.resize(used(&site.path("disk")) * 3 / 2);
    new_payload(&site, 400_000);
    site.refuses(&["dist", "--format", "deb"], &Says(&["cannot copy a package into the dist tree"], HINT));
    assert_eq!(site.tree(), old);

    disk.resize(64_000);
    site.dist_succeeds();
    assert_ne!(site.tree(), old);
    site.left_nothing();
}

#[test]
fn a_full_disk_under_the_cache_stops_a_lock() {
    let site = Site::good();
    let lock = site.read(Site::LOCK);
    site.write(Site::PAYLOAD, make::large_program(400_000));
    fs::remove_dir_all(site.path("cache/unpack")).expect("it was there");
    let disk = SmallDisk::mount(&site.path("cache/unpack"), 100);
    site.refuses(&["lock"], &Says(&["revision `default`", "cannot write", "No space left"], HINT));
    assert_eq!(site.read(Site::LOCK), lock);

    drop(disk);
    site.succeeds(&["lock"]);
}

#[test]
fn a_full_disk_under_the_manifest_leaves_the_old_lock() {
    let (site, elsewhere) = (Site::good(), Site::good());
    let files = Snapshot::read(&site.path(""));
    let _disk = SmallDisk::mount(&site.path(""), 8000);
    files.write(&site.path(""));
    let lock = site.read(Site::LOCK);
    site.write(Site::PAYLOAD, make::large_program(10));
    let mut filler = fs::File::create(site.path("filler")).expect("there is room");
    while filler.write_all(&[0; 4096]).is_ok() {}

    let mut command = site.command(&["lock"]);
    command.env("SLIPWAY_CACHE", elsewhere.cache());
    site.fails(&mut command, &Says(&["cannot write the lock file"], HINT));
    assert_eq!(site.read(Site::LOCK), lock);
}

#[test]
fn a_full_disk_under_the_derived_cache_stops_a_dist() {
    let site = Site::good();
    new_payload(&site, 400_000);
    // Too small for the compressed payload, for the whole package, for the second format.
    let before = Snapshot::read(&site.path(""));
    for kilobytes in [100, 600, 2000] {
        let site = Site::of(&before);
        let derived = site.path("derived");
        let disk = SmallDisk::mount(&derived, kilobytes);
        let mut command = site.command(&["dist"]);
        command.env("SLIPWAY_DERIVED_CACHE", &derived);
        let run = site.fails(&mut command, &Says(&["No space left"], HINT));
        let left = Snapshot::read(&derived);
        assert!(left.paths().all(|path| !path.to_string_lossy().contains("/.")), "{kilobytes}: {left:?}{}", run.stderr);

        disk.resize(8000);
        let _ = Run::of(&mut command).succeeded();
    }
}
