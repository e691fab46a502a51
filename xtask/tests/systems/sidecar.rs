//! The sidecar's service from its start to its end.

use artifact::PackageFormat;
use testkit::machine::Machine;

use super::{
    debian,
    packages::{put, write},
};

/// Answers at once, or after as many milliseconds as `x-envoy-fault-delay-request` says.
const WORKLOAD: &str = "\
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: 8080 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: workload
          route_config:
            virtual_hosts:
            - { name: x, domains: ['*'], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: served } } }] }
          http_filters:
          - name: envoy.filters.http.fault
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
              delay: { header_delay: {}, percentage: { numerator: 100 } }
          - name: envoy.filters.http.router
            typed_config: { \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
";

/// Put in the place of Envoy: a program of the test's prints what a script says, and the real one runs as well.
const PRINTER: &str = "mv /usr/local/bin/envoy /usr/local/bin/real-envoy
cat > /usr/local/bin/envoy <<'END'
#!/bin/bash
/usr/local/bin/printer &
exec /usr/local/bin/real-envoy \"$@\"
END
cp /usr/local/bin/envoy /usr/local/bin/printer
chmod 755 /usr/local/bin/envoy /usr/local/bin/printer\n";

/// Its package is installed; it does not run.
pub(crate) fn installed() -> Machine {
    let machine = debian().boot_alone();
    put(&machine, PackageFormat::Deb);
    machine.run("apt-get install -y ./sidecar.deb");
    machine
}

/// The same, with something to do for Envoy on port 8080.
pub(crate) fn with_workload() -> Machine {
    let machine = installed();
    run_bootstrap(&machine, WORKLOAD);
    machine
}

/// Lets the service run Envoy with that.
pub(crate) fn run_bootstrap(machine: &Machine, bootstrap: &str) {
    write(machine, "/var/lib/workload.yaml", bootstrap);
    let run = "ExecStart=\nExecStart=/usr/bin/sidecar-wrapper run --bootstrap /var/lib/workload.yaml";
    drop_in(machine, "workload", run);
}

/// Lines of `[Service]` of an administrator's own.
pub(crate) fn drop_in(machine: &Machine, name: &str, lines: &str) {
    write(machine, &format!("/etc/systemd/system/istio.service.d/{name}.conf"), &format!("[Service]\n{lines}\n"));
    machine.run("systemctl daemon-reload");
}

/// What systemd knows of it.
pub(crate) fn property(machine: &Machine, name: &str) -> String {
    machine.run(&format!("systemctl show --property={name} --value istio")).trim_end().to_owned()
}

/// Puts a program that prints beside Envoy, which is a script of bash.
pub(crate) fn print(machine: &Machine, script: &str) {
    machine.run(&format!("{PRINTER}cat > /usr/local/bin/printer <<'END'\n#!/bin/bash\n{script}\nEND"));
}

/// What the service has said, without times.
pub(crate) fn journal(machine: &Machine) -> String {
    machine.run("journalctl --sync && journalctl --unit=istio --output=cat --no-pager")
}

#[track_caller]
pub(crate) fn assert_nothing_runs(machine: &Machine) {
    assert_eq!(machine.run("pgrep -l -u istio-proxy || true"), "");
}

#[test]
fn a_start_is_over_when_envoy_is_live_and_a_stop_when_nothing_is_left() {
    let machine = with_workload();
    machine.run("systemctl start istio && curl -sf http://localhost:15000/ready | grep -qx LIVE");
    assert_eq!(property(&machine, "StatusText"), "ready");
    assert_eq!(
        (property(&machine, "WatchdogUSec"), property(&machine, "OOMPolicy")),
        ("1min".into(), "continue".into())
    );
    // Whoever asks, and whatever the umask of the unit is.
    machine.run("for user in nobody daemon root; do setpriv --reuid=$user --regid=nogroup --clear-groups sidecar-wrapper status; done");
    let processes = machine.run("ps -e -o user:32=,comm= | grep -w -e envoy -e 'sidecar.*' | sort");
    assert_eq!(
        processes.split_whitespace().collect::<Vec<_>>().join(" "),
        "istio-proxy envoy istio-proxy sidecar-keeper istio-proxy sidecar-wrapper"
    );
    // As many files as the unit says, or as the machine lets anybody have.
    machine.run(
        "most=$(awk '/Max open files/ { print $5 }' /proc/1/limits); test $most -lt 1048576 || most=1048576\n\
         test $(awk '/Max open files/ { print $4 }' /proc/$(pgrep -x envoy)/limits) = $most",
    );

    // A request that takes longer than the stop is asked for.
    machine.run(
        "curl -s -H 'x-envoy-fault-delay-request: 3000' http://127.0.0.1:8080/ > answer & sleep 1\n\
         systemctl stop istio\nwait\ntest \"$(cat answer)\" = served",
    );
    assert_nothing_runs(&machine);
    assert_eq!(
        (property(&machine, "Result"), property(&machine, "ActiveState")),
        ("success".into(), "inactive".into())
    );
}

#[test]
fn it_can_be_restarted_again_and_again() {
    let machine = installed();
    machine.run(
        "systemctl start istio\n\
         for run in $(seq 20); do systemctl restart istio; curl -sf http://localhost:15000/ready >&2; done",
    );
    let running = machine.run("pgrep -u istio-proxy | wc -l && find /run/istio-sidecar -type f | sort");
    assert_eq!(
        running,
        "3\n/run/istio-sidecar/envoy-admin-address\n/run/istio-sidecar/lock\n/run/istio-sidecar/status.json\n"
    );
    assert_eq!(property(&machine, "NRestarts"), "0");
    // But for what Envoy says at any start and end.
    let complaints = machine.run(
        "journalctl --unit=istio --priority=warning --output=cat --no-pager | grep -v -e 'no configured limit' -e ENVOY_SIGTERM || true",
    );
    assert_eq!(complaints, "");
    machine.run("systemctl stop istio && ! test -e /run/istio-sidecar");
    assert_nothing_runs(&machine);
}

#[test]
fn a_reload_opens_log_files_again_and_no_line_is_lost() {
    let machine = with_workload();
    let files = "LogsDirectory=istio-sidecar\nExecStart=\nExecStart=/usr/bin/sidecar-wrapper run \
                 --stdout /var/log/istio-sidecar/access.log --stderr /var/log/istio-sidecar/envoy.log";
    drop_in(&machine, "workload", files);
    print(
        &machine,
        "for line in $(seq 4000); do echo line $line; echo warning $line >&2; read -r -t 0.001 <> <(:); done",
    );
    machine.run(
        "cd /var/log/istio-sidecar 2>/dev/null || { systemctl start istio && cd /var/log/istio-sidecar; }\n\
         for turn in 1 2 3; do\n\
         for log in access envoy; do mv $log.log $log.log.$turn; done\n\
         systemctl reload istio\n\
         for attempt in $(seq 50); do test -s access.log && test -s envoy.log && break; sleep 0.1; done\n\
         done",
    );
    machine.wait_until("grep -q 'line 4000$' /var/log/istio-sidecar/access.log");
    machine.run(
        "systemctl stop istio\ncd /var/log/istio-sidecar\n\
         for turn in 1 2 3; do grep -q line access.log.$turn; done\n\
         diff <(cat access.log.* access.log | grep '^line ') <(seq -f 'line %.0f' 4000)\n\
         diff <(cat envoy.log.* envoy.log | grep '^warning ') <(seq -f 'warning %.0f' 4000)",
    );
    let said = journal(&machine);
    assert_eq!(said.matches("the log files are opened again").count(), 3, "{said}");
}
