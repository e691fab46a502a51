//! The sidecar's service with a pilot-agent in its payload, which is a stand-in: see `pilot_agent_stand_in.py`.

use testkit::machine::Machine;

use super::{
    packages::write,
    services::is_live,
    sidecar::{assert_nothing_runs, installed, journal, property},
};

const STAND_IN: &str = include_str!("../../../sidecar-wrapper/tests/sidecar/pilot_agent_stand_in.py");

/// What `istioctl x workload entry configure` writes.
const CLUSTER_ENV: &str = include_str!("../../../sidecar-wrapper/tests/sidecar/cluster.env");

/// As Istio's documentation says: to be run where the files are that istioctl wrote.
const DOCUMENTED: &str = "mkdir -p /etc/certs /var/run/secrets/tokens
cp root-cert.pem /etc/certs/root-cert.pem
cp istio-token /var/run/secrets/tokens/istio-token
cp cluster.env /var/lib/istio/envoy/cluster.env
cp mesh.yaml /etc/istio/config/mesh
mkdir -p /etc/istio/proxy
chown -R istio-proxy /var/lib/istio /etc/certs /etc/istio/proxy /etc/istio/config /var/run/secrets /etc/certs/root-cert.pem";

/// Where pilot-agent writes, as it names these places.
const WRITES: &str = "./etc/certs/key.pem ./etc/certs/cert-chain.pem ./etc/istio/proxy/envoy-rev.json \
    ./var/run/secrets/workload-spiffe-uds/probe ./var/run/secrets/credential-uds/probe /var/lib/istio/data/probe";

fn with_pilot_agent() -> Machine {
    let machine = installed();
    write(&machine, "/usr/local/bin/pilot-agent", STAND_IN);
    machine.run("chmod 755 /usr/local/bin/pilot-agent\nsed -i 's/\"pilot_agent\": false/\"pilot_agent\": true/' /usr/share/istio-sidecar/revision.json");
    machine
}

fn bring_files(machine: &Machine) {
    for (name, content) in [
        ("cluster.env", CLUSTER_ENV),
        ("mesh.yaml", "defaultConfig:\n  discoveryAddress: istiod-1-30.istio-system.svc:15012\n"),
        ("root-cert.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        ("istio-token", "a.b.c"),
    ] {
        write(machine, &format!("/root/{name}"), content);
    }
    machine.run(DOCUMENTED);
    let settings = format!("STAND_IN_RECORD=/var/lib/istio/record.json\nSTAND_IN_WRITES='{WRITES}'\n");
    write(machine, "/var/lib/istio/envoy/sidecar.env", &settings);
}

#[test]
fn without_files_it_says_what_is_missing_and_is_not_tried_again() {
    let machine = with_pilot_agent();
    machine.run("if systemctl start istio; then exit 1; fi");
    assert_eq!(property(&machine, "ExecMainStatus"), "78");
    assert_eq!((property(&machine, "ActiveState"), property(&machine, "NRestarts")), ("failed".into(), "0".into()));
    let said = journal(&machine);
    assert!(said.contains("/var/lib/istio/envoy/cluster.env"), "{said}");

    // With them, it is started by hand; after a removal nothing runs.
    bring_files(&machine);
    machine.run("systemctl start istio && curl -sf http://localhost:15020/healthz/ready");
    machine.run("apt-get remove -y istio-sidecar");
    assert_nothing_runs(&machine);
}

#[test]
fn it_has_its_places_and_leaves_nothing_of_itself() {
    let machine = with_pilot_agent();
    bring_files(&machine);
    machine.run("systemctl start istio && curl -sf http://localhost:15020/healthz/ready");
    is_live(&machine);
    machine.run(&format!("cd /; for place in {WRITES}; do test \"$(stat -c %U $place)\" = istio-proxy; done"));
    let record = machine.run("cat /var/lib/istio/record.json");
    for expected in [
        "\"directory\": \"/\"",
        "\"CA_ADDR\": \"istiod-1-30.istio-system.svc:15012\"",
        "\"ISTIO_META_INTERCEPTION_MODE\": \"NONE\"",
        "\"OUTPUT_CERTS\": \"./etc/certs\"",
        "\"POD_NAMESPACE\": \"bookinfo\"",
        "\"/usr/share/istio-sidecar/envoy_bootstrap_tmpl.json\"",
    ] {
        assert!(record.contains(expected), "{expected}: {record}");
    }
    // It may open ports below 1024, and knows.
    assert!(!record.contains("ISTIO_META_UNPRIVILEGED_POD") && !record.contains("NOTIFY_SOCKET"), "{record}");
    assert_eq!(property(&machine, "StatusText"), "ready");

    // Go and Python end at once where nobody catches a hangup, and leave their Envoy.
    machine.run("systemctl kill -s HUP istio");
    machine.wait_until("journalctl --unit=istio | grep -q 'pilot-agent was killed by SIGHUP'");
    machine.wait_until("curl -sf http://localhost:15020/healthz/ready");
    machine.run("test $(pgrep -c -x envoy) = 1\nsystemctl stop istio");
    assert_nothing_runs(&machine);
    assert_eq!(property(&machine, "NRestarts"), "0", "it was the wrapper that started it again");

    // Certificates of others stay.
    machine.run("touch /etc/certs/other.pem\napt-get purge -y istio-sidecar");
    assert_eq!(machine.run("ls /etc/certs"), "other.pem\n");
}

#[test]
fn it_has_its_places_in_an_etc_istio_of_ones_own() {
    let machine = with_pilot_agent();
    machine.run("rm /etc/istio && mkdir -p /etc/istio/config");
    bring_files(&machine);
    machine.run("systemctl start istio\ntest -e /etc/istio/proxy/envoy-rev.json");
}
