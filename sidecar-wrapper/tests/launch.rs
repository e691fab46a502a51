//! What is planned from the files that `istioctl x workload entry configure` and people write.

use std::{
    ffi::OsStr,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use artifact::{Revision, SidecarInfo};
use proptest::prelude::*;
use sidecar_wrapper::{
    check::Machine as Checked,
    launch::{Command, Host, Launch, Main, Plan, PlanError, Port, ProcessEnvironment, Purpose, Request, plan},
    root::Root,
};
use tempfile::TempDir;

const CLUSTER: &str = "var/lib/istio/envoy/cluster.env";
const SIDECAR: &str = "var/lib/istio/envoy/sidecar.env";
const MESH: &str = "etc/istio/config/mesh";
const CERTIFICATE: &str = "etc/certs/root-cert.pem";
const BOOTSTRAP: &str = "usr/share/istio-sidecar/envoy.yaml";

/// A machine with the addresses of documentation.
#[derive(Clone, Copy)]
struct Vm {
    v4: Option<&'static str>,
    v6: Option<&'static str>,
    may_bind_low_ports: bool,
}

const VM: Vm = Vm { v4: Some("198.51.100.4"), v6: Some("2001:db8::4"), may_bind_low_ports: true };

impl Host for Vm {
    fn name(&self) -> String {
        "vm-1.example.org".to_owned()
    }

    fn directory(&self) -> PathBuf {
        "/srv".into()
    }

    fn may_bind_low_ports(&self) -> bool {
        self.may_bind_low_ports
    }

    fn source_address(&self, towards: IpAddr) -> Option<IpAddr> {
        // A second network, on which only the control plane is.
        let address = match towards.to_string().as_str() {
            "203.0.113.7" => Some("203.0.113.4"),
            "127.0.0.1" => Some("127.0.0.1"),
            _ if towards.is_ipv4() => self.v4,
            _ => self.v6,
        };
        address.map(|address| address.parse().expect("an address"))
    }
}

/// A root file system with the package, and how it is asked.
struct Machine {
    root: TempDir,
    request: Request,
}

impl Machine {
    fn new(pilot_agent: bool) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let version = |text: &str| text.parse().expect("semver");
        let revision = Revision::new("1-29").expect("valid");
        let info = SidecarInfo::new(revision, version("1.29.6"), version("1.37.0"), pilot_agent, Vec::new());
        let request = Request::new(Root::new(root.path().to_owned()), ProcessEnvironment::new());
        let machine = Self { root, request }.with("usr/share/istio-sidecar/revision.json", &info.to_json());
        machine.set("PATH", "/usr/bin:/bin").set("HOME", "/var/lib/istio").set("NOTIFY_SOCKET", "/run/systemd/notify")
    }

    /// All that joining needs is there.
    fn joining(cluster_env: &str, mesh: &str) -> Self {
        Self::new(true)
            .with(CLUSTER, cluster_env)
            .with(MESH, mesh)
            .with(CERTIFICATE, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
            .with("var/run/secrets/tokens/istio-token", "a.b.c")
    }

    /// With the files of that directory of `golden`.
    fn golden(name: &str) -> Self {
        let directory = Path::new("tests/golden").join(name);
        let read = |file: &str| fs::read_to_string(directory.join(file));
        let machine = Self::joining(&read("cluster.env").expect("golden"), &read("mesh.yaml").expect("golden"));
        match read("sidecar.env") {
            Ok(sidecar_env) => machine.with(SIDECAR, &sidecar_env),
            Err(error) if error.kind() == io::ErrorKind::NotFound => machine,
            Err(error) => panic!("{name}: {error}"),
        }
    }

    fn with(self, path: &str, content: &str) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        fs::write(path, content).expect("writable");
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.root.path().join(path)).expect("it was there");
        self
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.request.environment.insert(name.into(), value.into());
        self
    }

    fn bootstrap(mut self, path: &str) -> Self {
        self.request.bootstrap = Some(path.into());
        self
    }

    fn plan(&self, host: &dyn Host) -> Result<Plan, PlanError> {
        plan(&self.request, host)
    }

    fn launch(&self) -> Launch {
        self.plan(&VM).unwrap_or_else(|error| panic!("{}", self.printed(&error))).launch
    }

    fn printed(&self, error: &PlanError) -> String {
        let mut printed = Vec::new();
        error.write(&mut printed).expect("memory");
        self.text(printed)
    }

    fn refused(&self) -> String {
        self.printed(&self.plan(&VM).expect_err("something is wrong"))
    }

    /// The root's own path is cut from it.
    fn text(&self, bytes: Vec<u8>) -> String {
        let root = self.root.path().to_str().expect("a plain path");
        String::from_utf8(bytes).expect("text").replace(&format!("{root}/"), "/").replace(root, "/")
    }

    /// Warnings, then the command.
    fn shown(&self, host: &dyn Host) -> String {
        let plan = self.plan(host).unwrap_or_else(|error| panic!("{}", self.printed(&error)));
        let mut shown = Vec::new();
        plan.warnings.iter().try_for_each(|warning| warning.write(&mut shown)).expect("memory");
        Command::new(&plan, &self.request.environment).write_text(&mut shown).expect("memory");
        self.text(shown)
    }

    fn json(&self) -> serde_json::Value {
        let plan = self.plan(&VM).unwrap_or_else(|error| panic!("{}", self.printed(&error)));
        let mut json = Vec::new();
        Command::new(&plan, &self.request.environment).write_json(&mut json).expect("memory");
        serde_json::from_str(&self.text(json)).expect("JSON")
    }
}

fn variable<'a>(launch: &'a Launch, name: &str) -> Option<&'a str> {
    launch.env.get(OsStr::new(name)).map(|value| value.to_str().expect("text"))
}

fn ports(launch: &Launch) -> Vec<String> {
    let port = |port: &Port| format!("{} {:?}", SocketAddr::new(port.address, port.number), port.purpose);
    launch.ports.iter().map(port).collect()
}

#[test]
fn launches_what_istioctl_configured() {
    let ipv6_only = Vm { v4: None, ..VM };
    for (name, host) in [
        ("revisioned", VM),
        ("default", VM),
        ("service-ip", VM),
        ("labels", Vm { may_bind_low_ports: false, ..VM }),
        ("ipv6", ipv6_only),
        ("customized", VM),
    ] {
        let shown = Machine::golden(name).shown(&host);
        insta::with_settings!({
            snapshot_path => Path::new("golden").join(name),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!("launch", shown) });
    }
}

#[test]
fn a_shell_that_runs_the_printed_command_runs_the_same() {
    for name in ["revisioned", "labels"] {
        let machine = Machine::golden(name);
        // Prints all of its environment and arguments.
        let agent = "#!/bin/sh\npwd; cat /proc/$$/environ; printf '%s\\n' \"$@\"\n";
        let machine = machine.with("usr/local/bin/pilot-agent", agent);
        let program = machine.root.path().join("usr/local/bin/pilot-agent");
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("our own file");
        let launch = machine.launch();
        let direct = std::process::Command::new(&launch.program)
            .args(&launch.args)
            .env_clear()
            .envs(&launch.env)
            .current_dir(&launch.directory)
            .output()
            .expect("starts");
        let plan = machine.plan(&VM).expect("complete");
        let mut script = Vec::new();
        Command::new(&plan, &machine.request.environment).write_text(&mut script).expect("memory");
        let pasted = std::process::Command::new("dash")
            .arg("-c")
            .arg(String::from_utf8(script).expect("text"))
            .env_clear()
            .envs(&machine.request.environment)
            .output()
            .expect("starts");
        // In any order; dash itself adds where it was and is.
        let lines = |output: &std::process::Output| {
            let text = String::from_utf8_lossy(&output.stdout).replace('\0', "\n");
            let mut lines: Vec<_> = text
                .lines()
                .filter(|line| !line.starts_with("PWD=") && !line.starts_with("OLDPWD="))
                .map(str::to_owned)
                .collect();
            lines.sort_unstable();
            lines
        };
        assert!(direct.status.success() && pasted.status.success(), "{direct:?} {pasted:?}");
        assert_eq!(lines(&direct), lines(&pasted));
    }
}

#[test]
fn the_stronger_source_of_every_variable_wins() {
    // Each case: the process's variables, sidecar.env, cluster.env, then what is to come out.
    type Given<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Given, &str, &str, Given)] = &[
        (&[("A", "p"), ("B", "p"), ("C", "p")], "B=s C=s", "C=c", &[("A", "p"), ("B", "s"), ("C", "c")]),
        (&[("INSTANCE_IP", "10.0.0.1")], "ISTIO_SVC_IP=10.0.0.2", "", &[("INSTANCE_IP", "10.0.0.1")]),
        (&[("ISTIO_SVC_IP", "10.0.0.1")], "", "ISTIO_SVC_IP=10.0.0.2", &[("INSTANCE_IP", "10.0.0.2")]),
        (&[("INSTANCE_IP", "")], "", "", &[("INSTANCE_IP", "198.51.100.4")]),
        (&[], "PILOT_ADDRESS=203.0.113.7:1", "", &[("INSTANCE_IP", "203.0.113.4"), ("CA_ADDR", "203.0.113.7:1")]),
        (&[], "PROXY_CONFIG='discoveryAddress: 203.0.113.7'", "", &[("INSTANCE_IP", "203.0.113.4")]),
        (&[], "PILOT_ADDRESS=127.0.0.1:15012", "", &[("INSTANCE_IP", "198.51.100.4")]),
        (&[], "PILOT_ADDRESS='[2001:db8::7]:15012'", "", &[("INSTANCE_IP", "2001:db8::4")]),
        (&[], "", "", &[("POD_NAME", "vm-1")]),
        (&[("POD_NAME", "p")], "POD_NAME=s", "", &[("POD_NAME", "s")]),
        (&[("POD_NAMESPACE", "p")], "", "", &[("POD_NAMESPACE", "default")]),
        (&[], "POD_NAMESPACE=s", "ISTIO_NAMESPACE=c", &[("POD_NAMESPACE", "c")]),
        (&[], "CA_ADDR=s PILOT_ADDRESS=a ISTIO_PILOT_PORT=1", "", &[("CA_ADDR", "s")]),
        (&[], "PILOT_ADDRESS=a ISTIO_PILOT_PORT=1", "", &[("CA_ADDR", "a")]),
        (&[], "ISTIO_PILOT_PORT=1 ISTIO_SYSTEM_NAMESPACE=s", "", &[("CA_ADDR", "istiod.s.svc:1")]),
        (&[], "ISTIO_SYSTEM_NAMESPACE=s", "", &[("CA_ADDR", "istiod.s.svc:15012")]),
        (&[], "CA_ADDR=", "", &[("CA_ADDR", "istiod.istio-system.svc:15012")]),
        (&[], "", "", &[("PROV_CERT", "./etc/certs"), ("OUTPUT_CERTS", "./etc/certs")]),
        (&[], "PROV_CERT= OUTPUT_CERTS=/x FILE_MOUNTED_CERTS=1", "", &[("PROV_CERT", ""), ("OUTPUT_CERTS", "/x")]),
        (&[("ISTIO_META_INTERCEPTION_MODE", "TPROXY")], "", "", &[("ISTIO_META_INTERCEPTION_MODE", "NONE")]),
        (&[], "ISTIO_META_DNS_CAPTURE=true", "ISTIO_META_DNS_CAPTURE=true", &[("ISTIO_META_DNS_CAPTURE", "false")]),
    ];
    for (process, sidecar, cluster, expected) in cases {
        let machine = Machine::joining(cluster, "").with(SIDECAR, sidecar);
        let machine = process.iter().fold(machine, |machine, (name, value)| machine.set(name, value));
        let launch = machine.launch();
        for (name, value) in *expected {
            assert_eq!(variable(&launch, name), Some(*value), "{name} of {process:?} {sidecar:?} {cluster:?}");
        }
    }
}

#[test]
fn istiod_hears_whether_low_ports_can_be_opened() {
    const NAME: &str = "ISTIO_META_UNPRIVILEGED_POD";
    let unprivileged = Vm { may_bind_low_ports: false, ..VM };
    for (given, host, expected) in [
        ("", VM, None),
        ("", unprivileged, Some("true")),
        ("ISTIO_META_UNPRIVILEGED_POD=false", unprivileged, Some("true")),
        ("ISTIO_META_UNPRIVILEGED_POD=true", VM, Some("true")),
    ] {
        let plan = Machine::joining(given, "").plan(&host).expect("complete");
        assert_eq!(variable(&plan.launch, NAME), expected, "{given}");
    }
}

#[test]
fn proxy_config_is_composed_as_by_upstream() {
    const OWN_ENVOY: &str = "binaryPath: /usr/local/bin/envoy\n";
    for (sidecar, mesh, expected) in [
        ("", "", format!("serviceCluster: rawvm\ncontrolPlaneAuthPolicy: MUTUAL_TLS\n{OWN_ENVOY}")),
        (
            "ISTIO_SERVICE=a.b ISTIO_CP_AUTH=NONE",
            "",
            format!("serviceCluster: a.b\ncontrolPlaneAuthPolicy: NONE\n{OWN_ENVOY}"),
        ),
        ("PILOT_ADDRESS=a:1", "", format!("discoveryAddress: a:1\n{OWN_ENVOY}")),
        ("ISTIO_PILOT_PORT=1", "", format!("discoveryAddress: istiod.istio-system.svc:1\n{OWN_ENVOY}")),
        ("PROXY_CONFIG='statusPort: 1'", "", format!("statusPort: 1\n{OWN_ENVOY}")),
        (
            "PROXY_CONFIG='statusPort: 1' PILOT_ADDRESS=a:1",
            "",
            format!("statusPort: 1\ndiscoveryAddress: a:1\n{OWN_ENVOY}"),
        ),
        ("PROXY_CONFIG='discoveryAddress: b:2' PILOT_ADDRESS=a:1", "", format!("discoveryAddress: b:2\n{OWN_ENVOY}")),
        ("PROXY_CONFIG='binaryPath: /x'", "", "binaryPath: /x".to_owned()),
        ("PROXY_CONFIG='statusPort: 1'", "defaultConfig: {binaryPath: /x}", "statusPort: 1".to_owned()),
        ("PROXY_CONFIG='{statusPort: 1}'", "", r#"{"binaryPath":"/usr/local/bin/envoy","statusPort":1}"#.to_owned()),
    ] {
        let machine = Machine::joining("", mesh).with(SIDECAR, sidecar);
        let launch = machine.launch();
        let composed = variable(&launch, "PROXY_CONFIG").expect("always there").to_owned();
        assert_eq!(machine.text(composed.into_bytes()), expected, "{sidecar}");
    }
}

#[test]
fn what_addresses_this_process_is_not_passed_on() {
    let personal =
        ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "JOURNAL_STREAM", "MAINPID"];
    for machine in [Machine::joining("MAINPID=1", ""), Machine::new(false).with(BOOTSTRAP, "")] {
        let machine = personal.iter().fold(machine, |machine, name| machine.set(name, "x")).set("INVOCATION_ID", "i");
        let launch = machine.launch();
        for name in personal {
            assert_eq!(variable(&launch, name), None, "{name}");
        }
        assert_eq!(variable(&launch, "INVOCATION_ID"), Some("i"));
        assert_eq!(variable(&launch, "PATH"), Some("/usr/bin:/bin"));
        assert_eq!(machine.json()["removed"].as_array().expect("a list").len(), personal.len());
    }
}

#[test]
fn flags_and_fields_of_people_win() {
    let arguments = |sidecar: &str, mesh: &str| {
        let machine = Machine::joining("", mesh).with(SIDECAR, sidecar);
        let arguments: Vec<_> =
            machine.launch().args.into_iter().map(|word| word.into_string().expect("text")).collect();
        machine.text(arguments.join(" ").into_bytes())
    };
    let template = "--templateFile /usr/share/istio-sidecar/envoy_bootstrap_tmpl.json";
    assert_eq!(arguments("", ""), format!("proxy sidecar --profiling=false {template}"));
    let field = "defaultConfig: {proxyBootstrapTemplatePath: /x}";
    assert_eq!(arguments("", field), "proxy sidecar --profiling=false");
    assert_eq!(arguments("PROXY_CONFIG='customConfigFile: /x'", ""), "proxy sidecar --profiling=false");
    let flags = "ISTIO_AGENT_FLAGS='--templateFile=x --profiling --log_as_json'";
    assert_eq!(arguments(flags, ""), "proxy sidecar --templateFile=x --profiling --log_as_json");
    let flags = "ISTIO_AGENT_FLAGS='--profiling=true'";
    assert_eq!(arguments(flags, field), "proxy sidecar --profiling=true");
}

#[test]
fn ports_are_those_that_the_settings_say() {
    let machine = Machine::joining("", "defaultConfig: {proxyAdminPort: 9, statusPort: 2}").with(
        SIDECAR,
        "PROXY_CONFIG='{proxyAdminPort: 1, statusPort: 3}' ENVOY_STATUS_PORT=4 ENVOY_PROMETHEUS_PORT=many",
    );
    let launch = machine.launch();
    assert_eq!(launch.main, Main::PilotAgent { status_port: 3 });
    assert_eq!(launch.admin, Some("127.0.0.1:1".parse().expect("an address")));
    assert_eq!(
        ports(&launch),
        ["127.0.0.1:1 Admin", "0.0.0.0:3 Status", "0.0.0.0:4 Health", "0.0.0.0:15090 Prometheus"]
    );
    assert_eq!(launch.sds_socket, Some(machine.root.path().join("var/run/secrets/workload-spiffe-uds/socket")));
    assert_eq!(launch.directory, machine.root.path());

    let launch = Machine::joining("ENVOY_STATUS_PORT=0", "").launch();
    assert_eq!(ports(&launch), ["127.0.0.1:15000 Admin", "0.0.0.0:15020 Status", "0.0.0.0:15090 Prometheus"]);

    let ipv6 = Machine::joining("", "");
    let only = ipv6.plan(&Vm { v4: None, ..VM }).expect("complete").launch;
    assert_eq!(only.admin, Some("[::1]:15000".parse().expect("an address")));
    assert_eq!(ports(&only), ["[::1]:15000 Admin", "[::]:15020 Status", "[::]:15021 Health", "[::]:15090 Prometheus"]);
    let both = ipv6.set("INSTANCE_IP", "2001:db8::4").launch();
    assert_eq!(both.admin, Some("127.0.0.1:15000".parse().expect("an address")));
}

#[test]
fn envoy_alone_runs_on_the_given_or_the_packages_bootstrap() {
    let package = include_str!("../../packaging/sidecar-wrapper/envoy.yaml");
    let machine = Machine::new(false).with(BOOTSTRAP, package);
    insta::assert_snapshot!(machine.shown(&VM), @r"
    # Envoy 1.37.0 alone, of Istio 1.29.6, revision 1-29
    cd /srv &&
    env \
      -u NOTIFY_SOCKET \
      /usr/local/bin/envoy \
      --config-path /usr/share/istio-sidecar/envoy.yaml \
      --disable-hot-restart \
      --drain-time-s 30 \
      --drain-strategy immediate \
      --log-level warning
    # listens on 127.0.0.1:15000: Envoy's administration
    # listens on 0.0.0.0:15021: Envoy's health
    # listens on 0.0.0.0:15090: Envoy's metrics
    ");
    let launch = machine.launch();
    assert_eq!((launch.main, launch.admin), (Main::Envoy, Some("127.0.0.1:15000".parse().expect("an address"))));
    assert_eq!(launch.sds_socket, None);
    assert!(launch.ports.iter().any(|port| port.purpose == Purpose::Health));

    // Also with a payload that has pilot-agent, and nothing to join a mesh with.
    let machine = Machine::new(true).with("mine.yaml", "admin: {}");
    let path = machine.root.path().join("mine.yaml");
    let mut machine = machine.bootstrap(path.to_str().expect("a plain path"));
    machine.request.drain = Duration::from_secs(5);
    let launch = machine.launch();
    assert_eq!((launch.main, launch.ports.as_slice()), (Main::Envoy, &[][..]));
    let words: Vec<_> = launch.args.iter().map(|word| word.to_str().expect("text")).collect();
    assert_eq!(words[3..5], ["--drain-time-s", "5"]);
}

#[test]
fn says_which_bootstrap_is_missing() {
    insta::assert_snapshot!(Machine::new(false).refused(), @r"
    error: cannot read Envoy's bootstrap /usr/share/istio-sidecar/envoy.yaml
    caused by: no such file
    hint: the package istio-sidecar installs this file: install it again
    ");
    insta::assert_snapshot!(Machine::new(true).bootstrap("/nowhere/mine.yaml").refused(), @r"
    error: cannot read Envoy's bootstrap /nowhere/mine.yaml
    caused by: no such file
    ");
}

#[test]
fn refuses_with_everything_that_is_wrong_at_once() {
    let machine = Machine::joining(
        "ISTIO_AGENT_FLAGS=\"--a 'b\"\nPROXY_CONFIG='a: [hunter2'\nISTIO_META_DNS_CAPTURE=true\n",
        "defaultConfig:\n\tstatusPort: 1\n",
    )
    .without(CERTIFICATE);
    insta::assert_snapshot!(machine.refused(), @r"
    warning: /var/lib/istio/envoy/cluster.env:3:1: ISTIO_META_DNS_CAPTURE='true' is not supported and will be forced off
    hint: nothing redirects DNS queries to this sidecar; `istioctl x workload entry configure --capture-dns=false` leaves it out
    error: /var/lib/istio/envoy/cluster.env:1:1: ISTIO_AGENT_FLAGS has a quote that is never closed, or ends after a backslash
    hint: quote its words as in a shell, within the quotes of the whole value
    error: /var/lib/istio/envoy/cluster.env:2:1: PROXY_CONFIG is malformed
    caused by: line 1, column 4: unclosed bracket '['
    hint: check the indentation and the quotes at this place; tabs cannot indent YAML
    error: /etc/istio/config/mesh:2:2: the mesh configuration is malformed
    caused by: tabs disallowed within this context (block indentation)
    hint: check the indentation and the quotes at this place; tabs cannot indent YAML
    error: /etc/certs/root-cert.pem: there is no root certificate
    hint: `istioctl x workload entry configure` makes root-cert.pem: copy it to this path
    error: the sidecar cannot join a mesh: errors: 4, warnings: 1
    hint: `sidecar-wrapper check` says the same; --bootstrap FILE runs Envoy alone
    ");
    let machine =
        Machine::joining("", "defaultConfig: {statusPort: 99999}").set("ISTIO_AGENT_FLAGS", "x\\").without(CLUSTER);
    insta::assert_snapshot!(machine.refused(), @r"
    error: /var/lib/istio/envoy/cluster.env: there is no cluster.env
    hint: `istioctl x workload entry configure` makes it: copy it to this path
    error: environment: ISTIO_AGENT_FLAGS has a quote that is never closed, or ends after a backslash
    hint: quote its words as in a shell, within the quotes of the whole value
    error: /etc/istio/config/mesh: the mesh configuration is malformed
    caused by: statusPort is not a port from 1 to 65535
    error: the sidecar cannot join a mesh: errors: 3, warnings: 0
    hint: `sidecar-wrapper check` says the same; --bootstrap FILE runs Envoy alone
    ");
}

#[test]
fn a_machine_without_an_address_needs_one_from_its_owner() {
    let machine = Machine::joining("", "");
    let isolated = Vm { v4: None, v6: None, may_bind_low_ports: true };
    let error = machine.plan(&isolated).expect_err("no address");
    insta::assert_snapshot!(machine.printed(&error), @r"
    error: this machine has no address that others could reach
    hint: set ISTIO_SVC_IP in /var/lib/istio/envoy/sidecar.env
    error: the sidecar cannot join a mesh: errors: 1, warnings: 0
    hint: `sidecar-wrapper check` says the same; --bootstrap FILE runs Envoy alone
    ");
    // What cannot be read may have it.
    let error = Machine::joining("A='", "").plan(&isolated).expect_err("never closed");
    assert!(matches!(error, PlanError::Findings(findings) if findings.len() == 1));
    let told = machine.set("ISTIO_SVC_IP", "10.0.0.1").plan(&isolated).expect("complete");
    assert_eq!(variable(&told.launch, "INSTANCE_IP"), Some("10.0.0.1"));
}

#[test]
fn a_mesh_configuration_that_flags_name_is_the_one_that_is_read() {
    let machine = Machine::joining("ISTIO_AGENT_FLAGS='--meshConfig ./srv/mesh'", "statusPort: [")
        .with("srv/mesh", "defaultConfig: {statusPort: 7}");
    assert_eq!(machine.launch().main, Main::PilotAgent { status_port: 7 });
    let refused = machine.without("srv/mesh").refused();
    assert!(refused.starts_with("error: /srv/mesh: there is no mesh configuration\n"), "{refused}");
}

#[test]
fn of_what_is_inherited_only_that_is_printed_that_concerns_a_sidecar() {
    let machine =
        Machine::joining("LANG=C HOME=/root", "").set("ISTIO_META_OWNER", "ops").set("LANG", "C").set("TERM", "x");
    let shown = machine.shown(&VM);
    assert!(shown.contains("  ISTIO_META_OWNER=ops \\\n") && shown.contains("  HOME=/root \\\n"), "{shown}");
    assert!(!shown.contains("PATH=") && !shown.contains("LANG=") && !shown.contains("TERM="), "{shown}");
}

#[test]
fn as_json_it_is_all_there() {
    let json = Machine::golden("customized").json();
    assert_eq!(json["environment"]["XDS_HEADER_Authorization"], "***");
    insta::with_settings!({
        snapshot_path => Path::new("golden/customized"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("json", serde_json::to_string_pretty(&json).expect("JSON")) });
}

/// Names that people give to secrets, and a value for each that stands nowhere else.
fn secrets() -> impl Strategy<Value = Vec<(String, String)>> {
    let mark =
        prop::sample::select(&["TOKEN", "Secret", "PASSWORD", "private", "CREDENTIAL", "API_KEY", "XDS_HEADER_A"][..]);
    let secret = ("[A-Z]{0,4}", mark, "[A-Z0-9_]{0,4}", "zq[a-z0-9=@:/ ]{6,12}");
    let secret = secret.prop_map(|(before, mark, after, value)| (format!("{before}{mark}{after}"), value));
    prop::collection::vec(secret, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_is_ever_printed(secrets in secrets(), place in 0..5_usize, broken: bool) {
        let each = |line: &dyn Fn(&str, &str) -> String| {
            secrets.iter().map(|(name, value)| line(name, value)).collect::<Vec<_>>().concat()
        };
        let lines = each(&|name, value| format!("{name}='{value}'\n"));
        let yaml = each(&|name, value| format!("  {name}: '{value}'\n"));
        let flags = each(&|name, value| format!("--{name} \"{value}\" --{name}=\"{value}\" "));
        let tail = if broken { "X='\n" } else { "" };
        let machine = match place {
            0 => Machine::joining(&format!("{lines}{tail}"), ""),
            1 => Machine::joining("", "").with(SIDECAR, &format!("{lines}{tail}")),
            2 => secrets.iter().fold(Machine::joining(tail, ""), |machine, (name, value)| machine.set(name, value)),
            3 => Machine::joining(&format!("PROXY_CONFIG='proxyMetadata:\n{}{tail}'\n", yaml.replace('\'', "\"")), ""),
            _ => Machine::joining(&format!("ISTIO_AGENT_FLAGS='{flags}'\n{tail}"), &format!("defaultConfig:\n{yaml}{}", if broken { "\t" } else { "" })),
        };
        let mut printed = Vec::new();
        match machine.plan(&VM) {
            Ok(plan) => {
                let command = Command::new(&plan, &machine.request.environment);
                command.write_text(&mut printed).expect("memory");
                command.write_json(&mut printed).expect("memory");
                plan.warnings.iter().try_for_each(|warning| warning.write(&mut printed)).expect("memory");
            }
            Err(error) => {
                error.write(&mut printed).expect("memory");
                printed.extend(format!("{error:?}").bytes());
            }
        }
        let report = Checked::new(machine.request.root.clone(), machine.request.environment.clone()).check(&VM);
        let mut errors = Vec::new();
        report.write_text(&mut printed, &mut errors).expect("memory");
        report.write_json(&mut printed).expect("memory");
        printed.extend(errors);
        let printed = String::from_utf8(printed).expect("text");
        for (name, value) in &secrets {
            prop_assert!(!printed.contains(value.as_str()), "{name}={value} in {printed}");
        }
    }
}
