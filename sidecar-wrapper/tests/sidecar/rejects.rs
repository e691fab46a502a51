//! An Envoy that does not come up.

use crate::place::Place;

const ENVOY: &str = "usr/local/bin/envoy";

#[test]
fn a_bootstrap_that_envoy_rejects_is_not_tried_again() {
    let place = Place::new();
    let bootstrap = place.write("bootstrap.yaml", "static_resources: { no_such_field: [] }\n");
    let mut wrapper = place.run(&["--bootstrap", bootstrap.to_str().expect("a folder of tests")]);
    assert_eq!(wrapper.exit_code(), Some(65), "{}", wrapper.log());
    let log = wrapper.log();
    assert!(log.contains("no_such_field"), "Envoy says why: {log}");
    assert!(!log.contains("again in"), "{log}");
    place.assert_nothing_runs();
}

#[test]
fn a_bootstrap_that_is_not_there_is_not_tried_again() {
    let place = Place::new();
    let mut wrapper = place.run(&["--bootstrap", "/nowhere/bootstrap.yaml"]);
    let code = wrapper.exit_code();
    assert!(matches!(code, Some(65 | 78)), "{code:?}: {}", wrapper.log());
    assert!(wrapper.log().contains("/nowhere/bootstrap.yaml"), "{}", wrapper.log());
    place.assert_nothing_runs();
}

/// A signal tells nothing about the bootstrap: it may have been the kernel, for want of memory.
#[test]
fn an_envoy_that_is_killed_at_the_first_start_is_tried_again() {
    let place = Place::new();
    let envoy = place.root().join(ENVOY);
    let (kept, tried) = (envoy.with_file_name("envoy.kept"), place.file("tried"));
    std::fs::rename(&envoy, &kept).expect("the package has it");
    let (kept, tried) = (kept.display(), tried.display());
    place.replace(
        ENVOY,
        &format!("#!/bin/bash\n# A stand-in for Envoy.\n[ -e {tried} ] || {{ touch {tried}; kill -KILL $$; }}\nexec {kept} \"$@\"\n"),
    );
    let wrapper = place.run_live(&[]);
    wrapper.wait_for_log("again in", 1);
    place.stop(wrapper);
}

#[test]
fn an_envoy_that_always_dies_is_given_up() {
    let place = Place::new();
    let tries = place.file("tries");
    place.replace(ENVOY, &format!("#!/bin/bash\n# A stand-in for Envoy.\necho >>{}\nkill -SEGV $$\n", tries.display()));
    let mut wrapper = place.run(&["--restarts", "2"]);
    assert_eq!(wrapper.exit_code(), Some(75), "{}", wrapper.log());
    let tries = std::fs::read_to_string(tries).expect("it was tried").lines().count();
    assert_eq!(tries, 3, "{}", wrapper.log());
    let log = wrapper.log();
    assert!(log.lines().last().is_some_and(|line| line.contains("giving up")), "{log}");
    place.assert_nothing_runs();
}

/// It accepted its bootstrap: later on, an end with a code is a failure as any other.
#[test]
fn an_envoy_that_ends_by_itself_after_it_was_ready_is_started_again() {
    let place = Place::new();
    let wrapper = place.run_live(&[]);
    wrapper.wait_for_log("is ready after", 1);
    place.namespace.run("curl -sf -X POST localhost:15000/quitquitquit");
    wrapper.wait_for_log("is ready after", 2);
    place.stop(wrapper);
}
