//! Locks that do not fit, and all else that is found out before the work starts.

use super::{
    make,
    site::{Says, Site, host},
};

#[test]
fn says_how_to_make_a_missing_lock() {
    let site = Site::good();
    std::fs::remove_file(site.path(Site::LOCK)).expect("it was there");
    site.refuses(&["dist"], &Says(&["cannot read revisions.lock"], "cargo xtask lock --manifest revisions.toml"));
}

#[test]
fn refuses_a_lock_that_was_edited_by_hand() {
    let site = Site::good();
    site.replace(Site::LOCK, "arch = ", "arches = ");
    site.refuses(&["dist"], &Says(&["revisions.lock", "unknown field `arches`"], "cargo xtask lock"));
}

#[test]
fn refuses_a_lock_of_another_source() {
    let site = Site::good();
    std::fs::rename(site.path("payload"), site.path("elsewhere")).expect("it was there");
    site.replace(Site::MANIFEST, "'payload'", "'elsewhere'");
    let says = ["revisions.lock does not fit revisions.toml", "directory:elsewhere", "directory:payload"];
    site.refuses(&["dist"], &Says(&says, "cargo xtask lock --manifest revisions.toml"));
    site.succeeds(&["lock"]);
    site.dist_succeeds();
}

#[test]
fn refuses_a_lock_of_other_members() {
    let site = Site::good();
    site.replace(Site::MANIFEST, "'envoy' }", "'bin/envoy' }");
    site.refuses(&["dist"], &Says(&["revision `default`", "`members` was changed"], "cargo xtask lock"));
}

#[test]
fn refuses_a_lock_without_the_new_revision() {
    let site = Site::good();
    let more = site.read(Site::MANIFEST) + &make::revision("1-30", "{ directory = 'payload' }");
    site.write(Site::MANIFEST, more);
    let unlocked = format!("revision `1-30`, {}, is not locked", host());
    site.refuses(&["dist"], &Says(&[&unlocked], "cargo xtask lock"));
}

#[test]
fn refuses_a_folder_whose_program_is_not_the_locked_one() {
    let site = Site::good();
    site.clear_cache();
    site.write(Site::PAYLOAD, make::large_program(10));
    let says = ["revision `default`", "directory:payload", "envoy has digest", "the lock says"];
    site.refuses(&["dist"], &Says(&says, "find out why before you run `cargo xtask lock`"));
}

#[test]
fn refuses_an_archive_that_is_not_the_locked_one() {
    let site = Site::with_source("{ url = 'file:envoy.tar.gz' }");
    site.write("envoy.tar.gz", make::good_archive());
    site.succeeds(&["lock"]);
    site.clear_cache();
    let other = make::gzip(&make::tar(&[("envoy", make::Entry::File(&make::large_program(10)))]));
    site.write("envoy.tar.gz", other);
    let says = ["file:envoy.tar.gz: digest", "the lock says"];
    site.refuses(&["dist"], &Says(&says, "find out why before you run `cargo xtask lock`"));
}

#[test]
fn uses_the_locked_program_from_the_cache_when_the_source_was_changed() {
    let site = Site::good();
    let tree = site.tree();
    site.write(Site::PAYLOAD, make::large_program(10));
    site.dist_succeeds();
    assert_eq!(site.tree(), tree);
}

#[test]
fn offline_names_what_is_not_cached() {
    let site = Site::with_source("{ url = 'https://mirror.invalid/envoy.tar.gz' }");
    let lock = site.read(Site::LOCK).replace("directory:payload", "https://mirror.invalid/envoy.tar.gz");
    site.write(Site::LOCK, lock);
    site.clear_cache();
    let says = ["https://mirror.invalid/envoy.tar.gz is not cached", "--offline"];
    site.refuses(&["dist", "--offline"], &Says(&says, "without --offline"));
}

#[test]
fn a_lock_that_fails_leaves_the_old_lock() {
    let site = Site::good();
    let lock = site.read(Site::LOCK);
    site.write(Site::PAYLOAD, b"#!/bin/sh\n");
    site.refuses(&["lock"], &Says(&["envoy is no usable program"], "name the program itself"));
    assert_eq!(site.read(Site::LOCK), lock);
}

#[test]
fn a_lock_without_a_change_keeps_the_lock_and_the_packages() {
    let site = Site::good();
    let (lock, tree) = (site.read(Site::LOCK), site.tree());
    let run = site.succeeds(&["lock"]);
    assert!(run.stdout.contains("revisions.lock unchanged"), "{}", run.stdout);
    assert_eq!(site.read(Site::LOCK), lock);
    let run = site.dist_succeeds();
    assert!(run.stdout.contains("cache"), "{}", run.stdout);
    assert_eq!(site.tree(), tree);
}

#[test]
fn names_a_source_that_is_not_there() {
    for (source, named) in [
        ("{ directory = 'nowhere' }", "nowhere"),
        ("{ url = 'file:nowhere.tar.gz' }", "file:nowhere.tar.gz"),
        ("{ url = 'file:///nowhere/envoy.deb' }", "file:/nowhere/envoy.deb"),
    ] {
        let site = Site::with_source(source);
        site.refuses(&["lock"], &Says(&[named, "No such file or directory"], "source"));
    }
}

#[test]
fn names_everything_that_is_missing_at_once_each_with_its_command() {
    let site = Site::good();
    std::fs::remove_file(site.path("cache/tools")).expect("it was there");
    site.replace(Site::LOCK, "directory:payload", "directory:elsewhere");
    let stale = format!("revision `default`, {}: the manifest says directory:payload", host());
    let error = [
        "3 problems before anything was done",
        "cargo-zigbuild and zig are not installed",
        "python3 -m venv",
        "cargo-generate-rpm 0.21.1 is not installed",
        "cargo install",
        &stale,
    ];
    let hint = "cargo xtask setup, or add --setup; pin the payloads with: cargo xtask lock --manifest revisions.toml";
    site.refuses(&["dist"], &Says(&error, hint));
}

#[test]
fn needs_no_rpm_tool_for_debs() {
    let site = Site::good();
    std::fs::remove_file(site.path("cache/tools")).expect("it was there");
    site.refuses(&["dist", "--format", "deb"], &Says(&["1 problem before", "cargo-zigbuild"], "cargo xtask setup"));
}

#[test]
fn names_a_program_that_is_not_on_path() {
    let site = Site::good();
    // git is there only to be missing; the compiler is asked for its targets.
    let rustc = format!("#!/bin/sh\nexec {} \"$@\"\n", which("rustc"));
    site.write("bin/rustc", rustc);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(site.path("bin/rustc"), mode).expect("our own file");
    let mut command = site.command(&["dist", "--format", "deb"]);
    command.env("PATH", site.path("bin"));
    let error = ["1 problem before", "git is not installed (commit and time of a release)", "apt-get install git"];
    site.fails(&mut command, &Says(&error, "cargo xtask setup"));
}

fn which(program: &str) -> String {
    let path = std::env::var_os("PATH").expect("PATH is set");
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
    found.expect("tests run with the compiler on PATH").display().to_string()
}
