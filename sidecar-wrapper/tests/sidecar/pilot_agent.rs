//! With a pilot-agent in the payload. It is a stand-in: see `pilot_agent_stand_in.py`.

use std::fs;

use crate::place::{Place, Wrapper};

const STAND_IN: &str = include_str!("pilot_agent_stand_in.py");

/// What `istioctl x workload entry configure` writes.
const CLUSTER_ENV: &str = include_str!("cluster.env");

fn place() -> Place {
    let place = Place::new();
    place.replace("usr/local/bin/pilot-agent", STAND_IN);
    let info = place.root().join("usr/share/istio-sidecar/revision.json");
    let text = fs::read_to_string(&info)
        .expect("the package has it")
        .replace("\"pilot_agent\": false", "\"pilot_agent\": true");
    fs::remove_file(&info).expect("a link of ours");
    fs::write(&info, text).expect("our own folder");
    for (path, content) in [
        ("var/lib/istio/envoy/cluster.env", CLUSTER_ENV),
        ("etc/istio/config/mesh", "defaultConfig:\n  discoveryAddress: istiod-1-30.istio-system.svc:15012\n"),
        ("etc/certs/root-cert.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        ("var/run/secrets/tokens/istio-token", "a.b.c"),
    ] {
        place.write(&format!("root/{path}"), content);
    }
    let record = place.file("record.json");
    place.write("root/var/lib/istio/envoy/sidecar.env", &format!("STAND_IN_RECORD={}\n", record.display()));
    place
}

fn started(place: &Place) -> (Wrapper, serde_json::Value) {
    let wrapper = place.run_live(&[]);
    let record = fs::read(place.file("record.json")).expect("it wrote it first");
    (wrapper, serde_json::from_slice(&record).expect("it wrote JSON"))
}

#[test]
fn it_gets_what_upstreams_start_script_gives_it_without_interception() {
    let place = place();
    let (wrapper, record) = started(&place);
    let root = place.root();
    let root = root.to_str().expect("a folder of tests");
    let masked = serde_json::to_string_pretty(&record).expect("JSON").replace(root, "<root>");
    let masked = masked.replace(place.file("").to_str().expect("a folder of tests"), "<dir>/");
    let hostname = place.namespace.run("hostname -s");
    insta::assert_snapshot!("pilot-agent", masked.replace(&format!("\"{}\"", hostname.trim()), "\"<hostname>\""));
    place.stop(wrapper);
}

#[test]
fn an_envoy_that_dies_under_it_is_a_failure_although_it_ends_with_0() {
    let place = place();
    let (wrapper, _) = started(&place);
    place.namespace.run("pkill -KILL -x envoy");
    place.namespace.wait_until("! curl -sf http://localhost:15000/ready");
    place.wait_live(&wrapper);
    let log = place.stop(wrapper);
    assert!(log.contains("pilot-agent ended with code 0"), "{log}");
    assert!(log.contains("starting pilot-agent again"), "{log}");
}

#[test]
fn its_envoy_ends_with_it_whoever_is_killed() {
    for whom in ["-x sidecar-wrapper", "-x sidecar-keeper", "-x pilot-agent"] {
        let place = place();
        let (mut wrapper, _) = started(&place);
        let envoy = place.namespace.run("pgrep -x envoy");
        place.namespace.run(&format!("pkill -KILL {whom}"));
        place.namespace.wait_until(&format!("! kill -0 {}", envoy.trim()));
        if whom.ends_with("wrapper") {
            wrapper.exit_code();
            place.namespace.wait_until("! pgrep -x sidecar-keeper");
            place.assert_nothing_runs();
        } else {
            place.wait_live(&wrapper);
            place.stop(wrapper);
        }
    }
}

#[test]
fn a_stop_reaches_it_alone_and_its_own_drain_is_waited_for() {
    let place = place();
    place
        .namespace
        .run(&format!("echo STAND_IN_DRAIN=2 >> {}", place.root().join("var/lib/istio/envoy/sidecar.env").display()));
    let (mut wrapper, _) = started(&place);
    place.signal("TERM");
    place.namespace.run("sleep 1\npgrep -x envoy");
    assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
    place.assert_nothing_runs();
}
