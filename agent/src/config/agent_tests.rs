use std::path::Path;

use artifact::Revision;
use proptest::prelude::*;

use super::{
    AgentConfiguration, Kind, Problems,
    agent::{AwsHost, Connection, HostInfo, HostSource, Sidecar},
    values::NoFields,
};

const HEAD: &str = "apiVersion: config.agent.onboarding.tetrate.io/v1alpha1\nkind: AgentConfiguration\n";

/// The configuration, and the problems with their hints, one text each.
fn parse(bytes: impl AsRef<[u8]>) -> (Option<AgentConfiguration>, Vec<String>) {
    let problems = Problems::new(Path::new("f"));
    let configuration = AgentConfiguration::parse(bytes.as_ref(), &problems);
    let shown = |problem: super::Problem| format!("{problem} [{}]", problem.hint.as_deref().unwrap_or("no hint"));
    (configuration, problems.into_sorted().into_iter().map(shown).collect())
}

fn good(text: &str) -> AgentConfiguration {
    let (configuration, problems) = parse(text);
    assert!(problems.is_empty(), "{problems:#?}");
    configuration.expect("no problem was reported")
}

fn body(text: &str) -> AgentConfiguration {
    good(&format!("{HEAD}{text}\n"))
}

#[test]
fn shipped_conffile_is_the_minimal_document() {
    let shipped = include_str!("../../../packaging/agent/agent.config.yaml");
    let configuration = good(shipped);
    assert_eq!(configuration, good(Kind::AgentConfiguration.example()));
    assert_eq!(configuration.host, HostSource::Auto(NoFields {}));
    assert_eq!(configuration.sidecar, Sidecar::default());
    assert_eq!(configuration.settings.connection, Connection::default());
    let content: Vec<&str> = shipped.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(content, Kind::AgentConfiguration.example().lines().collect::<Vec<_>>());
}

#[test]
fn reads_every_field() {
    let configuration = body(
        "host:
  custom:
    credential:
    - plugin:
        name: sample-jwt-credential
        path: /usr/local/bin/onboarding-agent-sample-jwt-credential-plugin
        env:
        - name: SAMPLE_JWT_ISSUER
          value: 'https://issuer.example.com'
        - name: EMPTY
        args: ['-v', '--log=debug']
    - plugin: {name: second}
    hostinfo:
      basic:
        networkInterfaces:
          include: ['^(eth|ens|enp|eno|en)[0-9a-z]*$', enp0s8]
          exclude: [docker0]
sidecar:
  istio: {revision: canary}
  stdout: {filename: logs/sidecar.log}
  stderr: {filename: /dev/null}
settings:
  connection:
    timeout: 1m30s
    retryPolicy:
      exponentialBackoff: {initialInterval: 1ms, maxInterval: 1.5s}",
    );
    insta::assert_snapshot!(serde_saphyr::to_string(&configuration).expect("serializes"), @r#"
    host:
      custom:
        credential:
        - plugin:
            name: sample-jwt-credential
            path: /usr/local/bin/onboarding-agent-sample-jwt-credential-plugin
            env:
            - name: SAMPLE_JWT_ISSUER
              value: (hidden)
            - name: EMPTY
              value: (hidden)
            args:
            - -v
            - --log=debug
        - plugin:
            name: second
            path: onboarding-agent-second-plugin
            env: []
            args: []
        hostinfo:
          basic:
            networkInterfaces:
              include:
              - ^(eth|ens|enp|eno|en)[0-9a-z]*$
              - enp0s8
              exclude:
              - docker0
    sidecar:
      istio:
        revision: canary
      stdout:
        filename: logs/sidecar.log
      stderr:
        filename: /dev/null
    settings:
      connection:
        timeout: 90s
        retryPolicy:
          exponentialBackoff:
            initialInterval: 0.001s
            maxInterval: 1.5s
    "#);
    let HostSource::Custom(custom) = configuration.host else { panic!("host is custom") };
    assert_eq!(custom.credential[0].plugin.env[0].value.expose(), "https://issuer.example.com");
    assert!(!format!("{custom:?}").contains("issuer.example.com"));
}

#[test]
fn takes_empty_objects_and_empty_text_for_the_defaults() {
    let default = good(Kind::AgentConfiguration.example());
    for text in [
        "host: {}",
        "host: {auto: {}}",
        "host: null",
        "sidecar: {istio: {}}",
        "sidecar: {istio: {revision: ''}, stdout: {filename: ''}, stderr: {}}",
        "settings: {}",
        "settings: {connection: {retryPolicy: {exponentialBackoff: {}}}}",
    ] {
        assert_eq!(body(text), default, "{text}");
    }
    assert_eq!(body("host: {aws: {ec2: {}}}").host, HostSource::Aws(AwsHost::Ec2(NoFields {})));
    assert_eq!(
        body("sidecar: {istio: {revision: '1-30'}}").sidecar.istio.revision,
        Revision::new("1-30").expect("valid")
    );
    let plugin = "host: {custom: {credential: [{plugin: {name: a}}], hostinfo: {plugin: {name: b, path: ./b}}}}";
    let HostSource::Custom(custom) = body(plugin).host else { panic!("host is custom") };
    assert_eq!(custom.credential[0].plugin.path, Path::new("onboarding-agent-a-plugin"));
    assert!(matches!(custom.hostinfo, HostInfo::Plugin(plugin) if plugin.path == Path::new("./b")));
}

#[test]
fn first_wait_is_never_longer_than_the_longest() {
    let backoff = |text: &str| {
        let (configuration, problems) =
            parse(format!("{HEAD}settings: {{connection: {{retryPolicy: {{exponentialBackoff: {{{text}}}}}}}}}\n"));
        let connection = configuration.expect("a warning at most").settings.connection;
        (connection.retry_policy.exponential_backoff.initial_interval.to_string(), problems)
    };
    assert_eq!(backoff("maxInterval: 500ms"), ("0.5s".to_owned(), vec![]));
    let (initial, problems) = backoff("initialInterval: 20s");
    assert_eq!((initial.as_str(), problems.len()), ("15s", 1));
    assert!(problems[0].starts_with("warning: f:3:"), "{problems:?}");
}

#[test]
fn rejects_each_field_that_is_wrong() {
    let custom = |text: &str| format!("host: {{custom: {{{text}}}}}");
    let plugin = |text: &str| custom(&format!("credential: [{{plugin: {{{text}}}}}]"));
    let hostinfo = |text: &str| custom(&format!("credential: [{{plugin: {{name: a}}}}], hostinfo: {{{text}}}"));
    let interval = |text: &str| format!("settings: {{connection: {{timeout: {text}}}}}");
    let long = format!("sidecar: {{istio: {{revision: {}}}}}", "a".repeat(57));
    let at = "host.custom.credential[0].plugin";
    for (text, message, hint) in [
        ("host: {auto: {}, custom: {}}".to_owned(), "host: `auto` and `custom` are both set", "delete the one"),
        ("host: {auto: }".to_owned(), "host.auto: `auto` has no value", "`auto: {}`"),
        ("host: {auto: {x: 1}}".to_owned(), "host.auto.x: unknown field `x`", "write `{}`"),
        ("host: {aws: {}}".to_owned(), "host.aws.ec2: this field is required", "add `ec2`"),
        ("host: {gcp: {}}".to_owned(), "host.gcp: unknown field `gcp`", "known here: auto, aws, custom"),
        (custom(""), "host.custom.credential: this field is required", "add `credential`"),
        (custom("credential: []"), "host.custom.credential: must have at least one element", ""),
        (custom("credential: {plugin: {name: a}}"), "host.custom.credential: expected a list, found an object", "- "),
        (custom("credential: [{}]"), "host.custom.credential[0].plugin: this field is required", ""),
        (plugin("path: a"), &format!("{at}.name: this field is required"), ""),
        (plugin("name: ''"), &format!("{at}.name: must not be empty"), ""),
        (plugin("name: a/b"), &format!("{at}.name: the name holds `/`"), "`path`"),
        (plugin("name: a, path: \"a\\0\""), &format!("{at}.path: must not hold a NUL"), ""),
        (plugin("name: a, args: [1]"), &format!("{at}.args[0]: expected text, found a number"), "quotes"),
        (plugin("name: a, env: [{value: b}]"), &format!("{at}.env[0].name: this field is required"), ""),
        (plugin("name: a, env: [{name: A=b}]"), &format!("{at}.env[0].name: the name of a variable"), "`value`"),
        (plugin("name: a, env: {A: b}"), &format!("{at}.env: expected a list, found an object"), ""),
        (hostinfo("plugin: {name: a}, basic: {}"), "host.custom.hostinfo: `plugin` and `basic` are both set", ""),
        (
            hostinfo("basic: {networkInterfaces: {include: ['eth[']}}"),
            "host.custom.hostinfo.basic.networkInterfaces.include[0]: `eth[` is not a regular expression: unclosed",
            "RE2",
        ),
        (
            hostinfo("basic: {networkInterfaces: {exclude: ['*']}}"),
            "host.custom.hostinfo.basic.networkInterfaces.exclude[0]: `*` is not a regular expression",
            "`.*`",
        ),
        (hostinfo("basic: {network_interfaces: {}}"), "host.custom.hostinfo.basic.network_interfaces: unk", "networkI"),
        (long, "sidecar.istio.revision: invalid revision name", "istio-sidecar package"),
        ("sidecar: {istio: {revision: 1.30}}".to_owned(), "sidecar.istio.revision: expected text", "quotes"),
        ("sidecar: {stdout: /tmp/x}".to_owned(), "sidecar.stdout: expected an object, found text", "indented"),
        (interval("30"), "settings.connection.timeout: expected text, found a number", "quotes"),
        (interval("'30'"), "settings.connection.timeout: `30` is not a duration", "`30s`"),
        (interval("0s"), "settings.connection.timeout: `0s` is out of range: a wait is at least 1ms", ""),
        (interval("''"), "settings.connection.timeout: `` is not a duration", "`1m30s`"),
        ("stabilization: {}".to_owned(), "stabilization: unknown field", "known here"),
    ] as [(String, &str, &str); 29]
    {
        let (configuration, problems) = parse(format!("{HEAD}{text}\n"));
        assert_eq!((configuration, problems.len()), (None, 1), "{text}\n{problems:#?}");
        let problem = problems[0].strip_prefix("error: f:3:").expect("all is on line 3");
        let (_, problem) = problem.split_once(": ").expect("a column");
        assert!(problem.starts_with(message) && problem.contains(hint), "{text}\n{problem}");
    }
}

#[test]
fn names_the_file_of_a_document_in_the_wrong_file() {
    let (_, problems) = parse(Kind::OnboardingConfiguration.example());
    insta::assert_snapshot!(problems.join("\n"), @"error: f:2:7: kind: this is the OnboardingConfiguration, but this file holds the AgentConfiguration [the OnboardingConfiguration belongs in /etc/onboarding-agent/onboarding.config.yaml]");
}

#[test]
fn never_shows_values_of_variables() {
    let secret = "hunter2";
    for value in ["[hunter2]", "{hunter2: x}", "\"hunter2\\0\"", "hunter2: x", "!!int hunter2", "*hunter2", "'hunter2"]
    {
        let text = format!(
            "{HEAD}host:\n  custom:\n    credential:\n    - plugin:\n        name: a\n        env:\n        - name: A\n          value: {value}\n"
        );
        let (configuration, problems) = parse(text);
        assert!(configuration.is_none(), "{value}");
        assert!(!problems.join("\n").contains(secret), "{problems:?}");
    }
}

#[test]
fn reports_no_terminal_escapes_and_no_endless_text() {
    let (_, problems) = parse(format!("{HEAD}sidecar: {{istio: {{revision: \"\\e[31m{}\"}}}}\n", "x".repeat(100_000)));
    assert_eq!(problems.len(), 1);
    assert!(!problems[0].contains('\u{1b}') && problems[0].len() < 2000, "{}", problems[0]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let (configuration, problems) = parse(&bytes);
        prop_assert!(configuration.is_some() || !problems.is_empty());
    }
}
