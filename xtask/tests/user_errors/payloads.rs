//! Archives and programs that `lock` refuses, and that `dist` refuses if the lock was made by hand to fit them.

use artifact::Sha256Digest;

use super::{
    make::{self, Entry},
    site::{Says, Site, host, other_than_host},
};

/// A good tree whose next payload is this archive.
fn site(name: &str, archive: &[u8]) -> Site {
    let site = Site::with_source(&format!("{{ url = 'file:{name}' }}"));
    site.write(name, archive);
    site
}

fn refuses(name: &str, archive: &[u8], error: &[&str], hint: &str) {
    let site = site(name, archive);
    let lock = site.read(Site::LOCK);
    let error: Vec<&str> = [name, "revision `default`"].iter().chain(error).copied().collect();
    let says = Says(&error, hint);
    site.refuses(&["lock"], &says);
    assert_eq!(site.read(Site::LOCK), lock, "the old lock was changed");

    // An attacker who can edit the lock still gets nothing out of the archive's folder.
    let (size, sha256) = (archive.len(), Sha256Digest::of(archive));
    let pin =
        format!("[payload.archive]\nname = \"{name}\"\nsize = {size}\nsha256 = \"{sha256}\"\n\n[[payload.member]]");
    let forged = lock.replace("directory:payload", &format!("file:{name}")).replace("[[payload.member]]", &pin);
    site.write(Site::LOCK, forged);
    site.clear_cache();
    site.refuses(&["dist"], &says);
}

#[test]
fn a_sound_archive_is_packaged() {
    let program = make::large_program(10);
    let site = site("envoy.tar.gz", &make::gzip(&make::tar(&[("envoy", Entry::File(&program))])));
    let before = site.tree();
    site.succeeds(&["lock"]);
    site.dist_succeeds();
    assert_ne!(site.tree(), before);
    site.left_nothing();
}

#[test]
fn refuses_a_truncated_archive() {
    let archive = make::good_archive();
    for length in [archive.len() / 2, archive.len() - 4] {
        refuses("envoy.tar.gz", &archive[..length], &["is truncated"], "fetch the archive again");
    }
}

#[test]
fn refuses_a_damaged_archive() {
    let mut archive = make::good_archive();
    let middle = archive.len() / 2;
    archive[middle..middle + 40].fill(0xa5);
    refuses("envoy.tar.gz", &archive, &["is corrupt"], "fetch the archive again");
}

#[test]
fn refuses_a_malformed_archive() {
    let mut tar = make::tar(&[("envoy", Entry::File(b"x"))]);
    tar[150] ^= 0xff;
    refuses("envoy.tar.gz", &make::gzip(&tar), &["envoy.tar.gz"], "fetch the archive again");
    refuses("envoy.zip", b"PK\x03\x04 and then no directory", &["envoy.zip"], "fetch the archive again");
}

#[test]
fn refuses_a_page_that_was_saved_under_an_archives_name() {
    let page = b"<!doctype html><title>Not found</title>";
    let error = ["should be a .deb package", "begins with `<!doctyp`"];
    refuses("istio-sidecar.deb", page, &error, "give the file a name that ends in what it is");
}

#[test]
fn refuses_an_archive_that_it_cannot_read() {
    refuses("envoy.tar.bz2", b"BZh91AY&SY", &["files that end in `.bz2` cannot be read"], "repack it as .tar.gz");
}

#[test]
fn names_the_members_that_could_be_meant() {
    let program = make::program(host());
    let archive = make::gzip(&make::tar(&[("usr/local/bin/envoy", Entry::File(&program))]));
    refuses("envoy.tar.gz", &archive, &["has no member `envoy`"], "the archive has `usr/local/bin/envoy`");
}

#[test]
fn refuses_entries_that_leave_the_folder() {
    let program = make::program(host());
    for (name, why) in [("../../evil", "`..` component"), ("/etc/cron.d/evil", "it is absolute")] {
        let entries = [("envoy", Entry::File(&program)), (name, Entry::File(b"evil"))];
        let archive = make::gzip(&make::tar(&entries));
        let error = [&format!("is refused for its entry `{name}`"), why];
        refuses("envoy.tar.gz", &archive, &error, "do not unpack this archive elsewhere");
    }
}

#[test]
fn refuses_a_link_in_place_of_a_program() {
    let archive = make::gzip(&make::tar(&[("envoy", Entry::Symlink("/bin/sh"))]));
    let error = ["member `envoy`", "is a symbolic link, not a regular file"];
    refuses("envoy.tar.gz", &archive, &error, "name the file that the link stands for");
}

#[test]
fn refuses_a_link_in_a_folder() {
    let site = Site::good();
    let payload = site.path(Site::PAYLOAD);
    std::fs::remove_file(&payload).expect("it was there");
    std::os::unix::fs::symlink("/bin/sh", &payload).expect("the name is free");
    let says = Says(&["directory:payload", "member `envoy`", "is a symbolic link"], "name the file");
    site.refuses(&["lock"], &says);
}

#[test]
fn refuses_a_small_archive_that_unpacks_to_too_much() {
    let site = Site::with_source("{ url = 'file:bomb.tar.zst' }");
    make::bomb(&site.path("bomb.tar.zst"), 70);
    let size = site.path("bomb.tar.zst").metadata().expect("it was written").len();
    assert!(size < 1 << 20, "{size}");
    let says = Says(&["bomb.tar.zst", "exceeds the limit of 4294967296 uncompressed bytes"], "repack the wanted files");
    site.refuses(&["lock"], &says);
}

#[test]
fn refuses_a_member_that_says_it_is_too_large() {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..5].copy_from_slice(b"envoy");
    header.set_size(2 << 30);
    header.set_cksum();
    let error = ["exceeds the limit of 1073741824 bytes per member in member `envoy`"];
    refuses("envoy.tar.gz", &make::gzip(header.as_bytes()), &error, "repack the wanted files");
}

#[test]
fn refuses_a_program_for_another_machine() {
    let site = Site::good();
    site.write(Site::PAYLOAD, make::program(other_than_host()));
    let machines = format!("envoy is built for {}, not for {}", other_than_host(), host());
    let says = Says(&["revision `default`", "directory:payload", &machines], "check `source`");
    site.refuses(&["lock"], &says);

    // A lock that was edited to fit is of no use.
    site.replace(Site::LOCK, "machine = ", &format!("machine = \"{}\" # ", other_than_host()));
    site.refuses(&["dist"], &says);
}

#[test]
fn refuses_a_program_that_is_no_elf_file() {
    let site = Site::good();
    site.write(Site::PAYLOAD, b"#!/bin/sh\nexec envoy.real\n");
    let error = ["revision `default`", "envoy is no usable program", "begins with `#!/b"];
    site.refuses(&["lock"], &Says(&error, "name the program itself, not a script or an archive"));
}

#[test]
fn refuses_a_program_that_is_cut_off() {
    let site = Site::good();
    site.write(Site::PAYLOAD, &make::program(host())[..100]);
    site.refuses(&["lock"], &Says(&["envoy is no usable program", "malformed ELF file"], "fetch the file again"));
}

#[test]
fn refuses_a_program_for_a_newer_glibc_when_it_is_locked_and_when_it_is_packaged() {
    let site = Site::good();
    let lock = site.read(Site::LOCK);
    let found = lock.lines().find_map(|line| line.strip_prefix("glibc = ")).expect("cc links dynamically");
    site.replace(Site::MANIFEST, "'9.9'", "'2.1'");
    let glibc = format!("envoy needs glibc {}, `max_glibc` is 2.1", found.trim_matches('"'));
    let says = Says(&["revision `default`", "directory:payload", &glibc], "raise `max_glibc`");
    site.refuses(&["lock"], &says);
    site.refuses(&["dist"], &says);
}
