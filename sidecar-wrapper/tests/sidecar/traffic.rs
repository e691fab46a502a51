//! What clients see of a sidecar that ends: nothing that was begun is lost, and nothing holds it up for ever.
//!
//! Where a drain must not wait for its deadline, the deadline is longer than the tests wait for the end.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::{place::Place, service::Service};

const LATE: [&str; 2] = ["--drain-timeout", "600"];

#[test]
fn a_request_in_flight_gets_its_whole_answer() {
    for options in [&["--http1.1"][..], &["--http2-prior-knowledge"]] {
        let mut service = Service::start(&LATE);
        let request = service.curl("/slow/3", options);
        service.wait_for_requests(1);
        service.begin_to_stop();
        assert_eq!(request.finish(), (Some(0), "whole\n".to_owned()), "{options:?}: {}", service.wrapper.log());
        service.assert_ended();
    }
}

#[test]
fn a_large_answer_to_a_slow_reader_arrives_whole() {
    large_answer_to_a_slow_reader("--http1.1");
}

#[test]
fn a_large_answer_to_a_slow_reader_arrives_whole_by_http2() {
    large_answer_to_a_slow_reader("--http2-prior-knowledge");
}

fn large_answer_to_a_slow_reader(protocol: &str) {
    let mut service = Service::start_in(place_of_small_buffers(), &LATE);
    let request = service.curl("/big/24", &[protocol, "--limit-rate", "4M"]);
    let begun = Instant::now();
    while fs::metadata(&request.output).expect("it is there").len() < 1 << 20 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing comes");
        thread::sleep(Duration::from_millis(20));
    }
    service.begin_to_stop();
    let (code, body) = request.finish();
    assert_eq!(code, Some(0), "{}", service.wrapper.log());
    assert!(body == "0123456789abcde\n".repeat(24 << 16), "{} bytes", body.len());
    service.assert_ended();
}

/// The workload and Envoy are done with it, but Envoy could not send all of it yet.
#[test]
fn an_answer_that_its_client_has_yet_to_read_arrives_whole() {
    let mut service = Service::start_in(place_of_small_buffers(), &LATE);
    let mut client = service.client("late", 8080);
    assert_eq!(client.ask("/big/1"), "asked");
    service.place.namespace.wait_until(
        "stats=$(curl -sf localhost:15000/stats); grep -q 'http.web.downstream_cx_tx_bytes_buffered: [1-9]' <<<$stats && \
         grep -q 'http.web.downstream_rq_active: 0' <<<$stats",
    );
    service.begin_to_stop();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(client.ask("go on"), format!("200 {}", 1 << 20), "{}", service.wrapper.log());
    service.assert_ended();
}

/// Where the kernel keeps little of what is sent for those who do not read it.
fn place_of_small_buffers() -> Place {
    let place = Place::new();
    for direction in ["r", "w"] {
        place.namespace.run(&format!("echo 4096 65536 65536 >/proc/sys/net/ipv4/tcp_{direction}mem"));
    }
    place
}

/// A machine may be too busy to answer the wrapper's questions.
#[test]
fn an_envoy_that_does_not_answer_for_a_while_loses_nothing() {
    let mut service = Service::start(&LATE);
    let request = service.curl("/slow/7", &[]);
    service.wait_for_requests(1);
    service.begin_to_stop();
    service.place.namespace.run("sleep 0.5; pkill -STOP -x envoy; sleep 4; pkill -CONT -x envoy");
    assert_eq!(request.finish(), (Some(0), "whole\n".to_owned()), "{}", service.wrapper.log());
    service.assert_ended();
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut service = Service::start(&LATE);
    let mut client = service.client("http", 8080);
    assert_eq!(client.ask("/fast"), "200 whole None");
    service.place.signal("TERM");
    service.assert_ended();
}

#[test]
fn a_connection_is_told_to_go_with_the_next_answer() {
    let mut service = Service::start(&[LATE[0], LATE[1], "--drain-minimum", "600"]);
    let mut client = service.client("http", 8080);
    assert_eq!(client.ask("/fast"), "200 whole None");
    service.begin_to_stop();
    assert_eq!(client.ask("/fast"), "200 whole close");
    service.place.signal("TERM");
    service.assert_ended();
}

#[test]
fn a_connection_of_another_protocol_lives_until_it_is_closed() {
    let mut service = Service::start(&LATE);
    let mut client = service.client("tcp", 8081);
    assert_eq!(client.ask("before"), "before");
    service.begin_to_stop();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(client.ask("after"), "after", "{}", service.wrapper.log());
    assert!(service.wrapper.runs());
    client.close();
    service.assert_ended();
}

#[test]
fn the_deadline_is_kept_whatever_is_in_flight() {
    let mut service = Service::start(&["--drain-timeout", "3"]);
    let mut client = service.client("tcp", 8081);
    assert_eq!(client.ask("before"), "before");
    let request = service.curl("/never", &[]);
    service.wait_for_requests(1);
    let asked = Instant::now();
    service.place.signal("TERM");
    service.assert_ended();
    assert!(asked.elapsed() >= Duration::from_secs(3), "{}", service.wrapper.log());
    assert_ne!(request.finish().0, Some(0));
}

#[test]
fn a_second_sigterm_ends_the_drain_at_once() {
    let mut service = Service::start(&LATE);
    let _request = service.curl("/never", &[]);
    service.wait_for_requests(1);
    service.begin_to_stop();
    thread::sleep(Duration::from_secs(1));
    assert!(service.wrapper.runs());
    service.place.signal("TERM");
    service.assert_ended();
}

/// Balancers that ask every few seconds see it before clients do, who are served until then.
#[test]
fn it_serves_for_the_minimum_of_the_drain_and_says_that_it_is_not_ready() {
    let mut service = Service::start(&[LATE[0], LATE[1], "--drain-minimum", "6"]);
    let asked = Instant::now();
    service.begin_to_stop();
    let namespace = &service.place.namespace;
    let status = |url: &str| namespace.try_run(&format!("curl -s -o /dev/null -w '%{{http_code}}' {url}")).1;
    let (health, served) = (status("localhost:15021/healthz/ready"), status("localhost:8080/fast"));
    // On a machine that is too busy to be asked in time there is nothing to see.
    if asked.elapsed() < Duration::from_secs(5) {
        assert_eq!((health.as_str(), served.as_str()), ("503", "200"), "{}", service.wrapper.log());
    }
    service.assert_ended();
    assert!(asked.elapsed() >= Duration::from_secs(6), "{}", service.wrapper.log());
}

/// Those who come when it is about to end.
#[test]
fn a_client_that_comes_during_the_drain_is_served_or_refused() {
    let mut service = Service::start(&LATE);
    let request = service.curl("/slow/4", &[]);
    service.wait_for_requests(1);
    service.begin_to_stop();
    let (mut served, mut refused) = (0, 0);
    while service.wrapper.runs() {
        let script = "curl -sS -w '%{http_code}' localhost:8080/fast 2>/dev/null || echo \" code $?\"";
        let answer = service.place.namespace.run(script);
        match answer.trim() {
            "whole\n200" => served += 1,
            "000 code 7" => refused += 1,
            // It came into the queue of a socket that was closed before anybody saw it.
            "000 code 56" | "000 code 52" => {}
            wrong => panic!("{wrong}: {}", service.wrapper.log()),
        }
    }
    assert!(refused > 0, "nobody new is let in at the end, but {served} were");
    assert_eq!(request.finish(), (Some(0), "whole\n".to_owned()));
    service.assert_ended();
}

/// Some of them keep their connection, some do not. There is always one in flight, which must not keep it from ending in time.
#[test]
fn under_load_no_client_sees_a_broken_answer() {
    for requests_per_connection in [1, 1000] {
        let mut service = Service::start(&["--drain-timeout", "20"]);
        let mut load = service.load(16, requests_per_connection);
        service
            .place
            .namespace
            .wait_until("curl -sf localhost:15000/stats | grep -E 'http.web.downstream_rq_completed: [0-9]{3,}'");
        service.place.signal("TERM");
        let log = service.assert_ended();
        let saw: serde_json::Value = serde_json::from_str(&load.output()).expect("it prints JSON");
        assert_eq!(saw["broken"], serde_json::json!([]), "{saw}: {log}");
        assert!(saw["seen"]["served"].as_u64() >= Some(100), "{saw}");
        assert_eq!(saw["seen"]["refused"], 16, "{saw}");
    }
}
