//! What becomes of requests in flight where Envoy's statistics are not as in its own bootstrap, or cannot be had.

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use crate::{place::Place, service::Service};

/// Longer than the tests wait for the end.
const LATE: [&str; 2] = ["--drain-timeout", "600"];
const ADMIN: &str = "admin:\n  address:\n    socket_address: { address: 127.0.0.1, port_value: 15000 }\n";
const UNCOUNTED: &str = "what is in flight cannot be counted";

/// Stops it with a request in flight, which must get its answer. Gives the log, and how long it took.
#[track_caller]
fn stop_with_a_request(service: &mut Service, path: &str) -> (String, Duration) {
    let request = service.curl(path, &[]);
    thread::sleep(Duration::from_secs(1));
    let asked = Instant::now();
    service.place.signal("TERM");
    assert_eq!(request.finish(), (Some(0), "whole\n".to_owned()), "{}", service.wrapper.log());
    (service.assert_ended(), asked.elapsed())
}

#[track_caller]
fn assert_waits_for_the_whole_timeout(change: impl FnOnce(String) -> String, why: &str) {
    let mut service = Service::start_changed(Place::new(), &["--drain-timeout", "8"], change);
    let (log, took) = stop_with_a_request(&mut service, "/slow/5");
    assert!(took >= Duration::from_secs(8), "{took:?}: {log}");
    assert_eq!(log.matches(UNCOUNTED).count(), 1, "{log}");
    assert!(log.contains(why), "{log}");
}

/// As the bootstraps of Istio do.
#[test]
fn statistics_without_listeners_do_not_mean_that_nothing_is_in_flight() {
    let only = "stats_config: { stats_matcher: { inclusion_list: { patterns: [ { prefix: cluster. }, { prefix: server. } ] } } }\n";
    assert_waits_for_the_whole_timeout(|bootstrap| bootstrap + only, "stats_matcher");
}

#[test]
fn statistics_without_requests_do_not_mean_that_nothing_is_in_flight() {
    let only =
        "stats_config: { stats_matcher: { exclusion_list: { patterns: [ { suffix: downstream_rq_active } ] } } }\n";
    assert_waits_for_the_whole_timeout(|bootstrap| bootstrap + only, "stats_matcher");
}

#[test]
fn an_administration_that_allows_nothing_but_ready_does_not_mean_that_nothing_is_in_flight() {
    let admin = format!("{ADMIN}  allow_paths: [ {{ exact: /ready }} ]\n");
    assert_waits_for_the_whole_timeout(|bootstrap| bootstrap.replace(ADMIN, &admin), "allow_paths");
}

#[test]
fn without_an_administration_that_can_be_asked_a_stop_waits_for_the_minimum_and_says_so() {
    for on_a_pipe in [false, true] {
        let place = Place::new();
        let pipe = format!("admin: {{ address: {{ pipe: {{ path: {} }} }} }}\n", place.file("admin.sock").display());
        let admin = if on_a_pipe { pipe.as_str() } else { "" };
        let args = [LATE[0], LATE[1], "--drain-minimum", "5"];
        let mut service = Service::start_changed(place, &args, |bootstrap| bootstrap.replace(ADMIN, admin));
        assert!(service.wrapper.log().contains("cannot be known"), "{}", service.wrapper.log());
        let (log, took) = stop_with_a_request(&mut service, "/slow/3");
        assert!(took >= Duration::from_secs(5), "{took:?}: {log}");
        assert!(log.contains("has no administration"), "{log}");
    }
}

#[test]
fn an_administration_that_forbids_ready_does_not_keep_the_sidecar_from_being_ready() {
    let admin = format!("{ADMIN}  allow_paths: [ {{ prefix: /stats }} ]\n");
    let mut service =
        Service::start_changed(Place::new(), &["--drain-timeout", "1"], |bootstrap| bootstrap.replace(ADMIN, &admin));
    assert!(service.wrapper.log().contains("cannot be known"), "{}", service.wrapper.log());
    service.place.signal("TERM");
    service.assert_ended();
}

#[test]
fn an_envoy_without_listeners_has_nothing_in_flight() {
    let place = Place::new();
    let bootstrap = place.write("bootstrap.yaml", ADMIN);
    let wrapper = place.run_live(&["--bootstrap", bootstrap.to_str().expect("a folder of tests"), LATE[0], LATE[1]]);
    wrapper.wait_for_log("is ready after", 1);
    let log = place.stop(wrapper);
    assert!(!log.contains(UNCOUNTED), "{log}");
}

/// Names that look like those that do not count.
#[test]
fn requests_are_counted_whatever_the_prefix_of_their_statistics_is() {
    for prefix in ["admin", "admin.api", "in.worker_jobs", "in.worker_0"] {
        let mut service = Service::start_changed(Place::new(), &LATE, |bootstrap| {
            bootstrap.replace("stat_prefix: web", &format!("stat_prefix: {prefix}"))
        });
        // It is idle, and its client is not told to go.
        let mut idle = service.client("http", 8080);
        assert_eq!(idle.ask("/fast"), "200 whole None");
        let (log, took) = stop_with_a_request(&mut service, "/slow/4");
        assert!(took >= Duration::from_secs(2), "{prefix}: {took:?}: {log}");
        assert!(!log.contains(UNCOUNTED), "{prefix}: {log}");
    }
}

#[test]
fn connections_are_counted_whatever_the_prefix_of_their_statistics_is() {
    for prefix in ["admin", "listener_8081", "in.worker_jobs"] {
        let mut service = Service::start_changed(Place::new(), &LATE, |bootstrap| {
            bootstrap.replace(
                "- name: lines\n    address",
                &format!("- name: lines\n    stat_prefix: {prefix}\n    address"),
            )
        });
        let mut client = service.client("tcp", 8081);
        assert_eq!(client.ask("before"), "before");
        service.begin_to_stop();
        thread::sleep(Duration::from_secs(2));
        assert_eq!(client.ask("after"), "after", "{prefix}: {}", service.wrapper.log());
        client.close();
        service.assert_ended();
    }
}

#[test]
fn many_listeners_with_long_names_are_counted() {
    let mut service = Service::start_changed(Place::new(), &LATE, |bootstrap| {
        let mut more = String::new();
        for port in 20000..20250 {
            let name = format!("{port}_{}", "x".repeat(200));
            let _ = write!(
                more,
                "  - name: l{port}\n    stat_prefix: {name}\n    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}\n    \
                 filter_chains: [ {{ filters: [ {{ name: envoy.filters.network.http_connection_manager, typed_config: {{ \
                 '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, \
                 stat_prefix: {name}, route_config: {{ }}, http_filters: [ {{ name: envoy.filters.http.router, typed_config: {{ \
                 '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }} }} ] }} }} ] }} ]\n"
            );
        }
        bootstrap.replace("\n  clusters:\n", &format!("\n{more}  clusters:\n"))
    });
    let (log, took) = stop_with_a_request(&mut service, "/slow/4");
    assert!(took >= Duration::from_secs(2), "{took:?}: {log}");
    assert!(!log.contains(UNCOUNTED), "{log}");
}
