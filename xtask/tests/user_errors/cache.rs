//! A cache that lost bits or files.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::site::{Says, Site};

fn only(folder: &Path, extension: Option<&str>) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder)
        .expect("a folder of the cache")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().and_then(|extension| extension.to_str()) == extension)
        .collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    file.clone()
}

fn damage(file: &Path) {
    let mut content = fs::read(file).expect("a file of the cache");
    let middle = content.len() / 2;
    content[middle] ^= 1;
    // Not in place: the tree may hold the same file by another name.
    fs::remove_file(file).expect("our own file");
    fs::write(file, content).expect("our own file");
}

#[test]
fn a_damaged_package_is_made_again() {
    let site = Site::good();
    let tree = site.tree();
    damage(&only(&site.path("cache/packages"), None));
    let run = site.dist_succeeds();
    assert!(run.stdout.contains("built"), "{}", run.stdout);
    assert_eq!(site.tree(), tree);
}

#[test]
fn a_damaged_program_is_not_packaged() {
    let site = Site::good();
    let member = only(&site.path("cache/members"), None);
    damage(&member);
    fs::remove_dir_all(site.path("cache/blocks")).expect("it was there");
    fs::remove_dir_all(site.path("cache/packages")).expect("it was there");
    let name = member.file_name().expect("a digest").to_string_lossy().into_owned();
    let run = site.refuses(&["dist"], &Says(&[&name, "has the SHA-256 digest"], &name));
    assert!(run.stderr.contains("fetch it again"), "{}", run.stderr);

    fs::remove_file(&member).expect("as the hint says");
    site.dist_succeeds();
}

#[test]
fn a_cut_program_is_taken_from_its_source_again() {
    let site = Site::good();
    let tree = site.tree();
    let member = only(&site.path("cache/members"), None);
    let content = fs::read(&member).expect("a file of the cache");
    fs::write(&member, &content[..100]).expect("our own file");
    site.dist_succeeds();
    assert_eq!(site.tree(), tree);
    assert_eq!(fs::read(&member).expect("it is there again"), content);
}

#[test]
fn what_a_killed_run_left_is_removed_after_a_day() {
    let site = Site::good();
    let day = Duration::from_hours(24);
    for (name, age, stays) in [(".tmpOld", day * 2, false), (".tmpNew", day / 2, true), ("whole", day * 2, true)] {
        let names = ["unpack", "blocks", "packages"].map(|folder| format!("cache/{folder}/{name}"));
        for name in &names {
            site.write(name, "left");
            let file = File::options().write(true).open(site.path(name)).expect("our own file");
            file.set_modified(SystemTime::now() - age).expect("our own file");
        }
        site.dist_succeeds();
        for name in &names {
            assert_eq!(site.path(name).exists(), stays, "{name}");
        }
    }
}

#[test]
fn the_cache_may_be_deleted_at_any_time() {
    let site = Site::good();
    let tree = site.tree();
    site.clear_cache();
    site.dist_succeeds();
    assert_eq!(site.tree(), tree);
}
