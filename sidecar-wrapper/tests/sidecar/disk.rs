//! A runtime directory that is full: what it is for is not worth an outage.

use std::{fs, path::PathBuf};

use crate::{place::Place, service::Service};

/// What may be there, whole or empty.
const FILES: [&str; 4] = ["envoy-admin-address", "fill", "lock", "status.json"];

/// A disk of the namespace's own.
fn small_disk(place: &Place) -> PathBuf {
    let directory = place.runtime_directory();
    place.namespace.run(&format!("mount -t tmpfs -o size=64k tmpfs {}", directory.display()));
    directory
}

fn fill(place: &Place, directory: &std::path::Path) {
    let fill = directory.join("fill");
    place.namespace.run(&format!("dd if=/dev/zero of={} bs=1k 2>&1 || true", fill.display()));
    let (more, said) = place.namespace.try_run(&format!("echo more >{}.more", fill.display()));
    assert!(!more, "it is full: {said}");
    place.namespace.run(&format!("rm -f {}.more", fill.display()));
}

/// The host does not see the mount.
#[track_caller]
fn assert_nothing_is_half_written(place: &Place, directory: &std::path::Path) {
    let directory = directory.display();
    let files = place.namespace.run(&format!("ls -A {directory}"));
    assert!(files.lines().all(|name| FILES.contains(&name)), "{files}");
    let address = place.namespace.try_run(&format!("cat {directory}/envoy-admin-address")).1;
    let none = address.is_empty() || address.contains("No such file");
    assert!(none || address.trim() == "127.0.0.1:15000", "{address}");
    place
        .namespace
        .run(&format!("! [ -e {directory}/status.json ] || /usr/bin/python3 -m json.tool {directory}/status.json"));
}

#[test]
fn it_starts_where_the_runtime_directory_is_full() {
    let place = Place::new();
    let directory = small_disk(&place);
    fill(&place, &directory);
    let wrapper = place.run(&[]);
    wrapper.wait_for_log("is ready after", 1);
    assert!(place.live(), "{}", wrapper.log());
    assert!(place.status().1.starts_with("running, and no status is written"), "{}", place.status().1);
    assert_nothing_is_half_written(&place, &directory);
    place.stop(wrapper);
    assert_nothing_is_half_written(&place, &directory);
}

#[test]
fn it_serves_and_drains_when_the_runtime_directory_fills_up() {
    let place = Place::new();
    let directory = small_disk(&place);
    let mut service = Service::start_in(place, &["--drain-timeout", "600"]);
    fill(&service.place, &directory);
    let request = service.curl("/slow/3", &[]);
    service.wait_for_requests(1);
    service.begin_to_stop();
    assert_eq!(request.finish(), (Some(0), "whole\n".to_owned()), "{}", service.wrapper.log());
    service.assert_ended();
    assert_nothing_is_half_written(&service.place, &directory);
}

/// A directory that cannot be written is another matter: somebody has to mend that.
#[test]
fn a_runtime_directory_that_is_a_file_is_named() {
    let place = Place::new();
    let file = place.write("in-the-way", "");
    let directory = file.to_str().expect("a folder of tests");
    let mut wrapper = place.run(&["--runtime-directory", directory, "--restarts", "0"]);
    let code = wrapper.exit_code();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert!(wrapper.log().contains(directory), "{}", wrapper.log());
    place.assert_nothing_runs();
    assert_eq!(fs::read_to_string(file).expect("it is still there"), "");
}

/// Where the log is: Envoy must not stop for it, and its lines must be somewhere.
#[test]
fn a_log_that_is_on_a_full_disk_goes_to_the_wrappers_own_lines_until_there_is_room() {
    let place = Place::new();
    let disk = place.file("disk");
    fs::create_dir_all(&disk).expect("our own folder");
    place.namespace.run(&format!("mount -t tmpfs -o size=16k tmpfs {}", disk.display()));
    let log = disk.join("envoy.log");
    let to_file = ["--stderr", log.to_str().expect("a folder of tests"), "--envoy-log-level", "debug"];
    let wrapper = place.run_live(&to_file);
    wrapper.wait_for_log("No space left on device", 1);
    // Envoy itself says little while nothing happens.
    let ask = "curl -sf http://localhost:15000/stats?filter=none";
    place.namespace.run(&format!("for question in $(seq 20); do {ask}; done"));
    place.namespace.run(&format!("mount -o remount,size=16m {}", disk.display()));
    place.namespace.wait_until(&format!("{ask}; grep -q 'can be written to again' {}", place.file("log").display()));
    let said = place.stop(wrapper);
    assert!(said.contains("lines dropped: 0") && said.contains("][debug]["), "{said}");
    let text = place.namespace.run(&format!("cat {}", log.display()));
    assert!(text.contains("][debug][") && text.ends_with('\n'), "{text}");
}
