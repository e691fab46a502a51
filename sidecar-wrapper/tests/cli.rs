//! The real binary, as users and scripts run it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use artifact::{PayloadMember, Revision, Sha256Digest, SidecarInfo};
use tempfile::TempDir;

/// What `istioctl x workload entry configure` writes for a revision, in its order and quoting.
const CLUSTER_ENV: &str = r#"CANONICAL_REVISION='latest'
CANONICAL_SERVICE='foo'
CA_ADDR='istiod-rev-1.istio-system.svc:15012'
ISTIO_INBOUND_PORTS='*'
ISTIO_LOCAL_EXCLUDE_PORTS='22,15090,15021,15020'
ISTIO_METAJSON_LABELS='{"service.istio.io/canonical-name":"foo","service.istio.io/canonical-revision":"latest"}'
ISTIO_META_CLUSTER_ID='Kubernetes'
ISTIO_META_DNS_CAPTURE='true'
ISTIO_META_MESH_ID=''
ISTIO_META_NETWORK=''
ISTIO_META_WORKLOAD_NAME='foo'
ISTIO_NAMESPACE='bar'
ISTIO_SERVICE='foo.bar'
ISTIO_SERVICE_CIDR='*'
POD_NAMESPACE='bar'
SERVICE_ACCOUNT='vm-serviceaccount'
TRUST_DOMAIN=''
"#;
const ROOT_CERT: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const CLUSTER: &str = "var/lib/istio/envoy/cluster.env";
const SIDECAR: &str = "var/lib/istio/envoy/sidecar.env";
const INFO: &str = "usr/share/istio-sidecar/revision.json";
const TOKEN: &str = "var/run/secrets/tokens/istio-token";

/// What there is besides the files' settings: first what the machine says, then what needs no word from anybody.
const PROCESS: [(&str, &str); 3] =
    [("INSTANCE_IP", "192.0.2.7"), ("ISTIO_META_UNPRIVILEGED_POD", "true"), ("POD_NAME", "vm-1")];
const DERIVED: [&str; 10] = [
    "CA_ADDR",
    "INSTANCE_IP",
    "ISTIO_META_DNS_CAPTURE",
    "ISTIO_META_INTERCEPTION_MODE",
    "ISTIO_META_UNPRIVILEGED_POD",
    "OUTPUT_CERTS",
    "POD_NAME",
    "POD_NAMESPACE",
    "PROV_CERT",
    "PROXY_CONFIG",
];

/// A root file system.
struct Machine(TempDir);

impl Machine {
    /// Nothing is there.
    fn empty() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// All that joining needs is there.
    fn ready(cluster_env: &str) -> Self {
        Self::empty()
            .with(CLUSTER, cluster_env)
            .with("etc/istio/config/mesh", "defaultConfig: {}\n")
            .with("etc/certs/root-cert.pem", ROOT_CERT)
            .with(TOKEN, "a.b.c")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn with(self, path: &str, content: &str) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        fs::write(path, content).expect("writable");
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.path(path)).expect("it was there");
        self
    }

    fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut wrapper = wrapper();
        wrapper.arg(command).arg("--root").arg(self.0.path()).args(arguments);
        wrapper
    }

    fn check(&self) -> Ran {
        self.run("check", &[])
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(command, arguments), self.0.path())
    }
}

fn wrapper() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidecar-wrapper"));
    command.env_clear().envs(PROCESS);
    command
}

/// The root's own path is cut from the output.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(command: &mut Command, root: &Path) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the binary starts");
        let root = root.to_str().expect("a plain path");
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8").replace(root, "");
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Those lines that say where a setting of a file comes from.
    fn settings_of_files(&self) -> String {
        self.stdout.split_inclusive('\n').filter(|line| line.contains(".env:")).collect()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("one JSON document")
    }
}

#[test]
fn shows_what_istioctl_wrote_and_warns_of_dns_capture() {
    let ran = Machine::ready(CLUSTER_ENV).check();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @r#"
    CANONICAL_REVISION='latest'  # /var/lib/istio/envoy/cluster.env:1
    CANONICAL_SERVICE='foo'  # /var/lib/istio/envoy/cluster.env:2
    CA_ADDR='istiod-rev-1.istio-system.svc:15012'  # /var/lib/istio/envoy/cluster.env:3
    INSTANCE_IP='192.0.2.7'  # environment
    ISTIO_INBOUND_PORTS='*'  # /var/lib/istio/envoy/cluster.env:4
    ISTIO_LOCAL_EXCLUDE_PORTS='22,15090,15021,15020'  # /var/lib/istio/envoy/cluster.env:5
    ISTIO_METAJSON_LABELS='{"service.istio.io/canonical-name":"foo","service.istio.io/canonical-revision":"latest"}'  # /var/lib/istio/envoy/cluster.env:6
    ISTIO_META_CLUSTER_ID='Kubernetes'  # /var/lib/istio/envoy/cluster.env:7
    ISTIO_META_DNS_CAPTURE='false'  # forced
    ISTIO_META_INTERCEPTION_MODE='NONE'  # forced
    ISTIO_META_MESH_ID=''  # /var/lib/istio/envoy/cluster.env:9
    ISTIO_META_NETWORK=''  # /var/lib/istio/envoy/cluster.env:10
    ISTIO_META_UNPRIVILEGED_POD='true'  # environment
    ISTIO_META_WORKLOAD_NAME='foo'  # /var/lib/istio/envoy/cluster.env:11
    ISTIO_NAMESPACE='bar'  # /var/lib/istio/envoy/cluster.env:12
    ISTIO_SERVICE='foo.bar'  # /var/lib/istio/envoy/cluster.env:13
    ISTIO_SERVICE_CIDR='*'  # /var/lib/istio/envoy/cluster.env:14
    OUTPUT_CERTS='./etc/certs'  # default
    POD_NAME='vm-1'  # environment
    POD_NAMESPACE='bar'  # /var/lib/istio/envoy/cluster.env:15
    PROV_CERT='./etc/certs'  # default
    PROXY_CONFIG='serviceCluster: foo.bar
    controlPlaneAuthPolicy: MUTUAL_TLS
    binaryPath: /usr/local/bin/envoy
    '  # from ISTIO_SERVICE
    SERVICE_ACCOUNT='vm-serviceaccount'  # /var/lib/istio/envoy/cluster.env:16
    TRUST_DOMAIN=''  # /var/lib/istio/envoy/cluster.env:17
    "#);
    assert_eq!(
        ran.stderr,
        "warning: /var/lib/istio/envoy/cluster.env:8:1: ISTIO_META_DNS_CAPTURE='true' is not supported and will be forced off\n\
         hint: nothing redirects DNS queries to this sidecar; `istioctl x workload entry configure --capture-dns=false` leaves it out\n"
    );
}

#[test]
fn cluster_env_wins_over_sidecar_env_and_names_the_file() {
    let ran = Machine::ready("B='cluster'\nC='c'\n").with(SIDECAR, "export B=sidecar A=\"it's\"\n").check();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        ran.settings_of_files(),
        "A='it'\\''s'  # /var/lib/istio/envoy/sidecar.env:1\n\
         B='cluster'  # /var/lib/istio/envoy/cluster.env:1\n\
         C='c'  # /var/lib/istio/envoy/cluster.env:2\n"
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn reports_every_problem_of_both_files_and_the_rest_in_one_run() {
    let machine = Machine::ready("A='1'\nB=$(date)\nC=\"$HOME\"\n")
        .with(SIDECAR, "ulimit -n 1024\nISTIO_INBOUND_INTERCEPTION_MODE=TPROXY; x\n")
        .without("etc/istio/config/mesh")
        .without(TOKEN)
        .with("etc/certs/root-cert.pem", "<html>");
    let ran = machine.check();
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stdout, "", "nobody knows what is in effect");
    let messages: Vec<_> = ran.stderr.lines().filter(|line| !line.starts_with("hint: ")).collect();
    assert_eq!(
        messages,
        [
            "error: /var/lib/istio/envoy/sidecar.env:1:1: this word is no assignment",
            "error: /var/lib/istio/envoy/sidecar.env:2:39: `;` outside quotes is an operator of the shell, and none reads this file",
            "error: /var/lib/istio/envoy/cluster.env:2:3: a command substitution needs a shell, and none reads this file",
            "error: /var/lib/istio/envoy/cluster.env:3:4: `$` asks for an expansion, and no shell reads this file",
            "error: /etc/istio/config/mesh: there is no mesh configuration",
            "error: /etc/certs/root-cert.pem: the file holds no root certificate",
            "warning: /var/run/secrets/tokens/istio-token: there is no istio token",
            "errors: 6, warnings: 1",
        ]
    );
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("hint: ")).count(), 7, "{}", ran.stderr);
}

#[test]
fn a_missing_token_is_only_a_warning_and_an_empty_one_an_error() {
    let machine = Machine::ready("A=1\n").without(TOKEN);
    let ran = machine.check();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.starts_with("warning: /var/run/secrets/tokens/istio-token: there is no istio token\nhint: "));
    let ran = machine.with(TOKEN, "\n").check();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("error: /var/run/secrets/tokens/istio-token: the file holds no istio token"));
}

#[test]
fn names_istioctl_when_there_is_no_cluster_env() {
    let ran = Machine::ready("").without(CLUSTER).check();
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stderr,
        "error: /var/lib/istio/envoy/cluster.env: there is no cluster.env\n\
         hint: `istioctl x workload entry configure` makes it: copy it to this path\n\
         errors: 1, warnings: 0\n"
    );
}

#[test]
fn never_shows_a_secret() {
    let machine = Machine::ready("ISTIO_TOKEN='hunter2'\nTLS_KEY=hunter2\n").with(SIDECAR, "db_password=hunter2\n");
    let (text, json) = (machine.check(), machine.run("check", &["--json"]));
    assert_eq!((text.code, json.code), (Some(0), Some(0)));
    assert!(text.stdout.contains("ISTIO_TOKEN=***  # /var/lib/istio/envoy/cluster.env:1\n"), "{}", text.stdout);
    let settings = json.json()["settings"].as_array().expect("a list").clone();
    assert_eq!(settings.iter().filter(|setting| setting["secret"] == true).count(), 3);
    let broken = machine.with(CLUSTER, "ISTIO_TOKEN=hunter2 hunter2\nTLS_KEY='hunter2\n").check();
    assert_eq!(broken.code, Some(1));
    for ran in [text, json, broken] {
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    }
}

#[test]
fn terminals_do_not_obey_values() {
    let ran = Machine::ready("A='\u{1b}[2J'\nISTIO_META_INTERCEPTION_MODE='\u{1b}]0;x\u{7}'\n").check();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("A='\\u{1b}[2J'"), "{}", ran.stdout);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(['\u{1b}', '\u{7}']));
}

#[test]
fn warns_of_every_setting_that_is_not_supported() {
    let unsupported = "ISTIO_META_DNS_CAPTURE=T\nISTIO_META_INTERCEPTION_MODE=REDIRECT\nISTIO_INBOUND_INTERCEPTION_MODE=REDIRECT\n\
                       ISTIO_CUSTOM_IP_TABLES=false\nEXEC_USER=root\nISTIO_BIN_BASE=/opt\nPOD_NAMESPACE=b\nISTIO_NAMESPACE=a\n";
    let ran = Machine::ready(unsupported).run("check", &["--json"]);
    let problems = ran.json()["problems"].as_array().expect("a list").clone();
    let lines: Vec<_> = problems.iter().map(|problem| problem["line"].as_u64()).collect();
    assert_eq!(lines, (1..=7).map(Some).collect::<Vec<_>>(), "{ran:?}");
    assert!(problems.iter().all(|problem| problem["severity"] == "warning" && problem["hint"].is_string()), "{ran:?}");
    let supported = "ISTIO_META_DNS_CAPTURE=false\nISTIO_META_INTERCEPTION_MODE=NONE\nISTIO_INBOUND_INTERCEPTION_MODE=NONE\n\
         ISTIO_CUSTOM_IP_TABLES=true\nEXEC_USER=istio-proxy\nISTIO_BIN_BASE=/usr/local/bin/\nPOD_NAMESPACE=a\nISTIO_NAMESPACE=a\n";
    assert_eq!(Machine::ready(supported).check().stderr, "");
    assert_eq!(Machine::ready("ISTIO_META_DNS_CAPTURE='' ISTIO_META_INTERCEPTION_MODE=").check().stderr, "");

    let machine = Machine::ready("");
    let mut command = machine.command("check", &[]);
    let ran = Ran::of(command.env("EXEC_USER", "me").env("INSTANCE_IP", "vm"), machine.0.path());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let warnings: Vec<_> = ran.stderr.lines().filter(|line| !line.starts_with("hint: ")).collect();
    assert_eq!(
        warnings,
        [
            "warning: environment: EXEC_USER='me' is not supported and will be ignored",
            "warning: environment: INSTANCE_IP='vm' is no IP address"
        ]
    );
}

#[test]
fn reads_other_files_when_upstreams_variables_name_them() {
    let machine = Machine::ready("A=default\n").with("srv/cluster.env", "A=named\n").with(SIDECAR, "B=default\n");
    let check = |sidecar: &str, cluster: &str| {
        let mut command = machine.command("check", &[]);
        Ran::of(command.env("ISTIO_SIDECAR_CONFIG", sidecar).env("ISTIO_CLUSTER_CONFIG", cluster), machine.0.path())
    };
    let defaults =
        "A='default'  # /var/lib/istio/envoy/cluster.env:1\nB='default'  # /var/lib/istio/envoy/sidecar.env:1\n";
    assert_eq!(check("", "").settings_of_files(), defaults);
    for name in ["./srv/cluster.env", "/srv/cluster.env"] {
        assert!(check("", name).stdout.starts_with("A='named'  # /srv/cluster.env:1\n"));
    }
    let missing = check("/srv/sidecar.env", "");
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.starts_with("error: /srv/sidecar.env: no such file, but ISTIO_SIDECAR_CONFIG names it\nhint: "),
        "{}",
        missing.stderr
    );
}

#[test]
fn looks_for_the_root_certificate_where_prov_cert_says() {
    let ran = Machine::ready("PROV_CERT='./var/certs'\n").check();
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.starts_with("error: /var/certs/root-cert.pem: there is no root certificate\n"),
        "{}",
        ran.stderr
    );
    let machine = Machine::ready("PROV_CERT='./var/certs'\n").with("var/certs/root-cert.pem", ROOT_CERT);
    assert_eq!(machine.check().code, Some(0));
    let machine = Machine::ready("PROV_CERT=''\n").without("etc/certs/root-cert.pem");
    let ran = machine.check();
    assert!(ran.stderr.starts_with("error: /var/run/secrets/istio/root-cert.pem: "), "{}", ran.stderr);
    for (settings, code) in [
        ("FILE_MOUNTED_CERTS=true", 0),
        ("FILE_MOUNTED_CERTS=false", 1),
        ("XDS_ROOT_CA=SYSTEM CA_ROOT_CA=/x.pem", 0),
        ("XDS_ROOT_CA=SYSTEM", 1),
    ] {
        let ran = Machine::ready(settings).without("etc/certs/root-cert.pem").check();
        assert_eq!(ran.code, Some(code), "{settings}: {ran:?}");
    }
    let ran = Machine::ready("FILE_MOUNTED_CERTS=true").without("etc/istio/config/mesh").check();
    assert_eq!(ran.code, Some(1), "the other files are needed all the same: {ran:?}");
}

#[test]
fn reports_what_is_no_file_instead_of_waiting_for_it() {
    let machine = Machine::ready("A=1\n").without("etc/istio/config/mesh").without(TOKEN).without(CLUSTER);
    fs::create_dir(machine.path("etc/istio/config/mesh")).expect("writable");
    symlink("istio-token", machine.path(TOKEN)).expect("writable");
    let made = Command::new("mkfifo").arg(machine.path(CLUSTER)).status().expect("mkfifo starts");
    assert!(made.success());
    let ran = machine.check();
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stderr,
        "error: /var/lib/istio/envoy/cluster.env: cluster.env cannot be read\ncaused by: not a regular file\n\
         error: /etc/istio/config/mesh: the mesh configuration cannot be read\ncaused by: not a regular file\n\
         error: /var/run/secrets/tokens/istio-token: the istio token cannot be read\n\
         caused by: Too many levels of symbolic links (os error 40)\n\
         errors: 3, warnings: 0\n"
    );
}

#[test]
fn check_as_json_has_places_hints_and_settings() {
    let bad = Machine::ready("A=$B\n").run("check", &["--json"]);
    assert_eq!((bad.code, bad.stderr.as_str()), (Some(1), ""));
    let expected = serde_json::json!({
        "valid": false,
        "problems": [{
            "severity": "error",
            "file": "/var/lib/istio/envoy/cluster.env",
            "line": 1,
            "column": 3,
            "message": "/var/lib/istio/envoy/cluster.env:1:3: `$` asks for an expansion, and no shell reads this file",
            "hint": "write the value itself, or put it in single quotes to keep the `$`",
        }],
    });
    assert_eq!(bad.json(), expected);
    let good = Machine::ready("A='x y'\n").with(INFO, &info().to_json()).run("check", &["--json"]).json();
    assert_eq!((&good["valid"], &good["problems"]), (&true.into(), &serde_json::json!([])));
    let runs = serde_json::json!({"main": "envoy", "revision": "1-29", "istio": "1.29.6", "envoy": "1.37.0"});
    assert_eq!(good["runs"], runs);
    let settings = good["settings"].as_array().expect("a list");
    let names: Vec<_> = settings.iter().map(|setting| setting["name"].as_str().expect("text")).collect();
    assert_eq!(names, [&["A"][..], &DERIVED].concat());
    let setting = |name: &str| settings.iter().find(|setting| setting["name"] == name).expect("it is there");
    for expected in [
        serde_json::json!({
            "name": "A", "value": "x y", "secret": false, "origin": "file", "file": "/var/lib/istio/envoy/cluster.env", "line": 1,
        }),
        serde_json::json!({"name": "INSTANCE_IP", "value": "192.0.2.7", "secret": false, "origin": "environment"}),
        serde_json::json!({"name": "PROV_CERT", "value": "./etc/certs", "secret": false, "origin": "default"}),
        serde_json::json!({"name": "ISTIO_META_DNS_CAPTURE", "value": "false", "secret": false, "origin": "forced"}),
    ] {
        assert_eq!(*setting(expected["name"].as_str().expect("text")), expected);
    }
}

#[test]
fn a_drain_that_lasts_longer_than_it_may_is_refused() {
    let options = ["--drain-minimum", "31"];
    for more in [&[][..], &["--print-command"]] {
        let ran = Machine::ready(CLUSTER_ENV).run("run", &[&options, more].concat());
        assert_eq!(ran.code, Some(1), "{ran:?}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(ran.stderr, @r"
            error: --drain-minimum of 31 s is longer than --drain-timeout of 30 s
            hint: --drain-timeout ends every drain: make it at least as long
            ");
        }
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn check_says_what_would_run() {
    let machine = Machine::ready("A=1\n").with(INFO, &info().to_json());
    assert!(machine.check().stdout.starts_with("# Envoy 1.37.0 alone, of Istio 1.29.6, revision 1-29\n"));
    let machine = machine.with(INFO, &with_agent().to_json());
    let stdout = machine.check().stdout;
    assert!(stdout.starts_with("# pilot-agent of Istio 1.29.6 with Envoy 1.37.0, revision 1-29\n"), "{stdout}");
    let ran = machine.with(INFO, "{}").check();
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.starts_with(
            "error: /usr/share/istio-sidecar/revision.json: the sidecar's description cannot be used\ncaused by: cannot use "
        ),
        "{}",
        ran.stderr
    );
}

#[test]
fn prints_the_command_and_runs_nothing() {
    let machine = Machine::ready(CLUSTER_ENV).with(INFO, &with_agent().to_json());
    let ran = machine.run("run", &["--print-command"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout.contains("  /usr/local/bin/pilot-agent proxy sidecar \\\n  --profiling=false \\\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.starts_with("warning: ") && !ran.stderr.contains("error: "), "{}", ran.stderr);
    let json = machine.run("run", &["--print-command", "--json"]).json();
    assert_eq!((&json["main"], &json["ports"][0]["port"]), (&"pilot-agent".into(), &15000.into()));
    let refused = machine.without(CLUSTER).run("run", &["--print-command", "--json"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(78), ""), "{refused:?}");
    assert!(refused.stderr.contains("error: the sidecar cannot join a mesh: errors: 1, warnings: 0\n"), "{refused:?}");
    assert_eq!(Machine::empty().run("run", &["--json"]).code, Some(2), "there is no such way to run");
}

fn info() -> SidecarInfo {
    let member = PayloadMember { path: "/usr/local/bin/envoy".to_owned(), size: 5, sha256: Sha256Digest::of(b"envoy") };
    let version = |text: &str| text.parse().expect("semver");
    SidecarInfo::new(Revision::new("1-29").expect("valid"), version("1.29.6"), version("1.37.0"), false, vec![member])
}

fn with_agent() -> SidecarInfo {
    let mut info = info();
    info.pilot_agent = true;
    info
}

#[test]
fn version_shows_what_the_package_installed() {
    let machine = Machine::empty().with("usr/share/istio-sidecar/revision.json", &info().to_json());
    let ran = machine.run("version", &[]);
    let digest = Sha256Digest::of(b"envoy");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        ran.stdout,
        format!(
            "revision         1-29\nistio            1.29.6\nenvoy            1.37.0\npilot-agent      not included\n\
             sidecar-wrapper  {}\n{digest}  /usr/local/bin/envoy\n",
            env!("CARGO_PKG_VERSION")
        )
    );
    let json = machine.run("version", &["--json"]).json();
    assert_eq!(json["wrapper"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["sidecar"], serde_json::to_value(info()).expect("plain data"));
}

#[test]
fn version_says_why_it_does_not_know() {
    let ran = Machine::empty().run("version", &[]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stderr,
        "error: cannot read /usr/share/istio-sidecar/revision.json\ncaused by: no such file\n\
         hint: the package istio-sidecar installs this file\n"
    );
    let later = Machine::empty().with("usr/share/istio-sidecar/revision.json", r#"{"schema": 2, "new": 1}"#);
    let ran = later.run("version", &["--json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("has schema 2, this program reads schema 1\nhint: "), "{}", ran.stderr);
}

#[test]
fn run_says_what_is_missing_and_how_it_ended() {
    const ENVOY: &str = "usr/local/bin/envoy";
    let machine = Machine::empty().with(INFO, &info().to_json()).with("usr/share/istio-sidecar/envoy.yaml", "{}");
    fs::create_dir(machine.path("run")).expect("our own folder");
    let ran = machine.run("run", &[]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (
            Some(78),
            "error: cannot run /usr/local/bin/envoy\ncaused by: no such file\n\
             hint: the package istio-sidecar installs this file: install it again\n"
        )
    );
    // A stand-in that says how it was started; the real one runs in the tests of `sidecar`.
    let machine = machine.with(ENVOY, "#!/bin/sh\necho \"$*\"\nexit 7\n");
    let ran = machine.run("run", &[]);
    assert!(ran.code == Some(78) && ran.stderr.contains("caused by: it is not executable"), "{ran:?}");

    fs::set_permissions(machine.path(ENVOY), fs::Permissions::from_mode(0o755)).expect("our own file");
    let ran = machine.run("run", &[]);
    let said = ran.stdout.replace(&machine.0.path().display().to_string(), "");
    assert_eq!(
        said,
        "--config-path /usr/share/istio-sidecar/envoy.yaml --disable-hot-restart --drain-time-s 30 --drain-strategy immediate --log-level warning \
         --admin-address-path /run/istio-sidecar/envoy-admin-address\n"
    );
    assert_eq!(ran.code, Some(65));
    assert!(ran.stderr.contains("sidecar-wrapper: Envoy ended with code 7\n"), "{ran:?}");

    // The kernel says so only when it is to run.
    let machine = machine.with(ENVOY, "#!/nowhere/sh\n");
    fs::set_permissions(machine.path(ENVOY), fs::Permissions::from_mode(0o755)).expect("our own file");
    let ran = machine.run("run", &[]);
    assert!(ran.code == Some(65) && ran.stderr.contains("envoy: No such file or directory"), "{ran:?}");
}

#[test]
fn prints_its_own_version_without_any_file() {
    let ran = Ran::of(wrapper().arg("--version"), Path::new("/nowhere"));
    let expected = format!("sidecar-wrapper {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((ran.code, ran.stdout), (Some(0), expected));
}

#[test]
fn says_when_the_output_cannot_be_written() {
    let machine = Machine::ready("A=1\n");
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let ran = Ran::of(machine.command("check", &[]).stdout(full), machine.0.path());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("error: cannot write the output\ncaused by: "), "{}", ran.stderr);
}
