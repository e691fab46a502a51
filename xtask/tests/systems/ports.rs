//! Ports below 1024.

use super::{
    deb::booted,
    packages::{put_older, write},
};

const BOOTSTRAP: &str = "\
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: 80 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          route_config:
            virtual_hosts:
            - { name: x, domains: ['*'], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: here } } }] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
";

#[test]
fn a_workload_has_port_80_and_setcap_by_hand_does_no_harm() {
    let machine = booted();
    write(&machine, "/var/lib/workload.yaml", BOOTSTRAP);
    let unit = "[Service]\nExecStart=\nExecStart=/usr/bin/sidecar-wrapper run --bootstrap /var/lib/workload.yaml\n";
    write(&machine, "/etc/systemd/system/istio.service.d/workload.conf", unit);
    put_older(&machine, "true");
    let answers = || machine.wait_until("test \"$(curl -s http://127.0.0.1:80/)\" = here");
    machine.run("apt-get install -y ./old-sidecar.deb\nsystemctl start istio");
    answers();
    assert_eq!(machine.run("ps -o user= -C envoy").trim(), "istio-proxy");
    machine.run("apt-get install -y ./sidecar.deb");
    answers();
    machine.run("setcap CAP_NET_BIND_SERVICE=+eip /usr/local/bin/envoy\nsystemctl restart istio");
    answers();
    machine.run("apt-get install -y --reinstall ./sidecar.deb");
    answers();
}
