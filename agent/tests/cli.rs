//! The real binary, as users and scripts run it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

const AGENT: &str = include_str!("../../packaging/agent/agent.config.yaml");
const ONBOARDING: &str = "---
apiVersion: config.agent.onboarding.tetrate.io/v1alpha1
kind: OnboardingConfiguration
onboardingEndpoint:
  host: onboarding.example.com
workloadGroup:
  namespace: bookinfo
  name: ratings

";

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onboarding-agent"));
    command.env_clear();
    command
}

/// A directory with both files, which the binary is run in.
struct Machine(TempDir);

impl Machine {
    fn new(onboarding: &str, agent: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("onboarding.config.yaml"), onboarding).expect("writable");
        fs::write(dir.path().join("agent.config.yaml"), agent).expect("writable");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn check(&self, arguments: &[&str]) -> Ran {
        let files = ["--agent-config", "agent.config.yaml", "--onboarding-config", "onboarding.config.yaml"];
        run(binary().current_dir(self.path()).arg("check").args(files).args(arguments))
    }
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

#[test]
fn version_prints_name_and_version() {
    let ran = run(binary().arg("--version"));
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("onboarding-agent {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn without_a_command_it_says_what_is_wrong_or_that_it_does_not_join_yet() {
    let machine = Machine::new(ONBOARDING, AGENT);
    let files = ["--onboarding-config", "onboarding.config.yaml", "--agent-config", "agent.config.yaml"];
    let ran = run(binary().current_dir(machine.path()).args(files));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("joining a mesh is not part of this version\nhint: "), "{}", ran.stderr);

    let ran = run(binary().current_dir(machine.path()).args(["--onboarding-config", "missing", files[2], files[3]]));
    assert!(ran.code == Some(1) && ran.stderr.contains("missing"), "{}", ran.stderr);
    assert_eq!(run(binary().arg("run")).code, Some(2));
}

#[test]
fn valid_files_are_shown_with_all_defaults() {
    let ran = Machine::new(ONBOARDING, AGENT).check(&[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ran.stdout, @r#"
    # onboarding.config.yaml with all defaults
    apiVersion: config.agent.onboarding.tetrate.io/v1alpha1
    kind: OnboardingConfiguration
    onboardingEndpoint:
      host: onboarding.example.com
      port: 15443
      transportSecurity:
        tls:
          insecureSkipVerify: false
    workloadGroup:
      namespace: bookinfo
      name: ratings
    workload:
      labels: {}
    settings:
      connectedOver: VPC
    ---
    # agent.config.yaml with all defaults
    apiVersion: config.agent.onboarding.tetrate.io/v1alpha1
    kind: AgentConfiguration
    host:
      auto: {}
    sidecar:
      istio:
        revision: default
      stdout:
        filename: /dev/stdout
      stderr:
        filename: /dev/stderr
    settings:
      connection:
        timeout: 30s
        retryPolicy:
          exponentialBackoff:
            initialInterval: 1s
            maxInterval: 15s
    "#);
}

#[test]
fn shown_settings_are_files_that_mean_the_same() {
    let agent = format!(
        "{AGENT}host: {{custom: {{credential: [{{plugin: {{name: 'no', args: ['1', 'null', 'a: b', ' x\\ty', '#']}}}}], \
         hostinfo: {{basic: {{networkInterfaces: {{include: ['^eth\\d', '[a-z]']}}}}}}}}}}\n\
         settings: {{connection: {{timeout: 1ms}}}}\n"
    );
    let onboarding = format!("{ONBOARDING}workload: {{labels: {{'true': '1.10', b: '', c: 'null', d: '0x1'}}}}\n");
    let first = Machine::new(&onboarding, &agent).check(&[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let (onboarding, agent) = first.stdout.split_once("---\n").expect("two documents");
    let second = Machine::new(onboarding, agent).check(&[]);
    assert_eq!((second.code, second.stdout), (Some(0), first.stdout));
}

#[test]
fn flags_work_before_the_subcommand_too() {
    let machine = Machine::new(ONBOARDING, AGENT);
    let flags = ["--onboarding-config", "onboarding.config.yaml", "--agent-config", "agent.config.yaml"];
    assert_eq!(run(binary().current_dir(machine.path()).args(flags).arg("check")).code, Some(0));
}

#[test]
fn every_problem_of_both_files_comes_out_in_one_run() {
    let onboarding = ONBOARDING.replace("host: onboarding", "hots: onboarding").replace("ratings", "Ratings");
    let agent = format!("{AGENT}sidecar:\n  istio:\n    revision: A\nsettings:\n  connection:\n    timeout: soon\n");
    let ran = Machine::new(&onboarding, &agent).check(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ran.stderr, @r#"
    error: onboarding.config.yaml:5:3: onboardingEndpoint.hots: unknown field `hots`
    hint: did you mean `host`?
    error: onboarding.config.yaml:5:3: onboardingEndpoint.host: this field is required
    hint: add `host` here
    error: onboarding.config.yaml:8:9: workloadGroup.name: `Ratings` is not a name: 1 to 253 of a-z, 0-9, inner `-` and `.`
    hint: `kubectl get workloadgroups --all-namespaces` shows both
    error: agent.config.yaml:13:15: sidecar.istio.revision: invalid revision name `A`: 1 to 56 characters of a-z, 0-9 and `-`, beginning and ending with a letter or digit
    hint: name the revision as the istio-sidecar package of this machine names it
    error: agent.config.yaml:16:14: settings.connection.timeout: `soon` is not a duration
    hint: write a number and a unit (ns, us, ms, s, m, h), such as `30s` or `1m30s`
    5 errors
    "#);
}

#[test]
fn swapped_files_are_both_named() {
    let ran = Machine::new(AGENT, ONBOARDING).check(&[]);
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(ran.stderr, @r#"
    error: onboarding.config.yaml:10:7: kind: this is the AgentConfiguration, but this file holds the OnboardingConfiguration
    hint: the AgentConfiguration belongs in /etc/onboarding-agent/agent.config.yaml
    error: agent.config.yaml:3:7: kind: this is the OnboardingConfiguration, but this file holds the AgentConfiguration
    hint: the OnboardingConfiguration belongs in /etc/onboarding-agent/onboarding.config.yaml
    2 errors
    "#);
}

#[test]
fn missing_files_come_with_the_least_that_works() {
    let machine = Machine::new(ONBOARDING, AGENT);
    fs::remove_file(machine.path().join("onboarding.config.yaml")).expect("it is there");
    let ran = machine.check(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ran.stderr, @r#"
    error: onboarding.config.yaml: the file does not exist
    hint: no package ships this file, you write it; the least that works is:
        apiVersion: config.agent.onboarding.tetrate.io/v1alpha1
        kind: OnboardingConfiguration
        onboardingEndpoint:
          host: onboarding.example.com
        workloadGroup:
          namespace: bookinfo
          name: ratings
    "#);
    fs::remove_file(machine.path().join("agent.config.yaml")).expect("it is there");
    assert!(machine.check(&[]).stderr.ends_with("kind: AgentConfiguration\n2 errors\n"));
}

#[test]
fn warnings_do_not_fail_the_check() {
    let onboarding =
        ONBOARDING.replace("onboarding.example.com", "192.0.2.7") + "settings: {connectedOver: INTERNET}\n";
    let agent = format!("{AGENT}host: {{custom: {{credential: [{{plugin: {{name: a}}}}]}}}}\n");
    let ran = Machine::new(&onboarding, &agent).check(&[]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("connectedOver: INTERNET"));
    insta::assert_snapshot!(ran.stderr, @r#"
    warning: onboarding.config.yaml: settings.connectedOver: INTERNET needs a public address, but `hostinfo.basic` reports private ones only
    hint: set `host.custom.hostinfo.plugin` in the agent configuration
    warning: onboarding.config.yaml:5:9: onboardingEndpoint.host: the host is an IP address and `transportSecurity.tls.sni` is not set
    hint: certificates seldom hold addresses: set `sni` to the DNS name in the certificate of the endpoint
    "#);
}

#[test]
fn json_has_the_settings_and_hides_variables() {
    let agent = format!(
        "{AGENT}host: {{custom: {{credential: [{{plugin: {{name: a, env: [{{name: TOKEN, value: hunter2}}]}}}}]}}}}\n"
    );
    let machine = Machine::new(ONBOARDING, &agent);
    let ran = machine.check(&["--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["valid"], true);
    assert_eq!(report["onboardingConfiguration"]["onboardingEndpoint"]["port"], 15443);
    assert_eq!(report["agentConfiguration"]["kind"], "AgentConfiguration");
    let variable = &report["agentConfiguration"]["host"]["custom"]["credential"][0]["plugin"]["env"][0];
    assert_eq!(variable, &serde_json::json!({"name": "TOKEN", "value": "(hidden)"}));
    assert!(!ran.stdout.contains("hunter2") && !machine.check(&[]).stdout.contains("hunter2"));
}

#[test]
fn json_has_every_problem() {
    let ran = Machine::new(&ONBOARDING.replace("ratings", "Ratings"), "").check(&["--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    insta::assert_snapshot!(ran.stdout, @r#"
    {
      "valid": false,
      "problems": [
        {
          "severity": "error",
          "file": "onboarding.config.yaml",
          "line": 8,
          "column": 9,
          "field": "workloadGroup.name",
          "message": "`Ratings` is not a name: 1 to 253 of a-z, 0-9, inner `-` and `.`",
          "hint": "`kubectl get workloadgroups --all-namespaces` shows both"
        },
        {
          "severity": "error",
          "file": "agent.config.yaml",
          "message": "the file holds no document",
          "hint": "the least that works is:\n\napiVersion: config.agent.onboarding.tetrate.io/v1alpha1\nkind: AgentConfiguration\n"
        }
      ]
    }
    "#);
}

#[test]
fn files_of_more_than_a_mebibyte_are_refused() {
    let padding = |size: usize| format!("{ONBOARDING}# {}\n", "x".repeat(size - ONBOARDING.len() - 3));
    assert_eq!(Machine::new(&padding(1 << 20), AGENT).check(&[]).code, Some(0));
    let ran = Machine::new(&padding((1 << 20) + 1), AGENT).check(&[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("error: onboarding.config.yaml: the file is bigger than 1 MiB\n"), "{}", ran.stderr);
}

#[test]
fn unreadable_files_are_named_with_their_owner() {
    let machine = Machine::new(ONBOARDING, AGENT);
    let file = machine.path().join("onboarding.config.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).expect("it is ours");
    let owner = fs::metadata(&file).expect("it is there");
    let mut command;
    if owner.uid() == 0 {
        // Root may read everything: another user runs a copy that it can reach.
        fs::set_permissions(machine.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let copy = machine.path().join("onboarding-agent");
        // By another process: a program that is open for writing here, or in a child of a test beside this one, cannot be run.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_onboarding-agent")).arg(&copy).status();
        assert!(copied.expect("cp is there").success(), "the binary is readable");
        command = Command::new(copy);
        command.uid(65534).gid(65534);
    } else {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("it is ours");
        command = binary();
    }
    let files = ["--onboarding-config", "onboarding.config.yaml", "--agent-config", "agent.config.yaml"];
    let ran = run(command.current_dir(machine.path()).arg("check").args(files));
    assert_eq!(ran.code, Some(1));
    let expected =
        format!("owner uid {}, gid {}\nhint: the agent runs as the user onboarding-agent", owner.uid(), owner.gid());
    assert!(
        ran.stderr.starts_with("error: onboarding.config.yaml: this user may not read the file: mode 0"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
}

#[test]
fn a_full_disk_is_our_fault() {
    let machine = Machine::new(ONBOARDING, AGENT);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let files = ["--onboarding-config", "onboarding.config.yaml", "--agent-config", "agent.config.yaml"];
    let ran = run(binary().current_dir(machine.path()).arg("check").args(files).stdout(full));
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("error: cannot print the result\ncaused by: No space left"), "{}", ran.stderr);
}
