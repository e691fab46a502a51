use std::path::Path;

use proptest::prelude::*;

use super::{
    OnboardingConfiguration, Problems,
    onboarding::{ConnectedOver, Tls, TransportSecurity},
};

const HEAD: &str = "apiVersion: config.agent.onboarding.tetrate.io/v1alpha1\nkind: OnboardingConfiguration\n";
const GROUP: &str = "workloadGroup: {namespace: bookinfo, name: ratings}\n";

/// The configuration, and the problems with their hints, one text each.
fn parse(bytes: impl AsRef<[u8]>) -> (Option<OnboardingConfiguration>, Vec<String>) {
    let problems = Problems::new(Path::new("f"));
    let configuration = OnboardingConfiguration::parse(bytes.as_ref(), &problems);
    let shown = |problem: super::Problem| format!("{problem} [{}]", problem.hint.as_deref().unwrap_or("no hint"));
    (configuration, problems.into_sorted().into_iter().map(shown).collect())
}

fn good(text: &str) -> OnboardingConfiguration {
    let (configuration, problems) = parse(text);
    assert!(problems.iter().all(|problem| problem.starts_with("warning")), "{problems:#?}");
    configuration.expect("no error was reported")
}

/// Each document must give exactly the errors whose beginning, and part of whose hint, stand beside it.
fn rejects(cases: &[(&str, &[(&str, &str)])]) {
    for (text, expected) in cases {
        let (configuration, mut problems) = parse(text);
        problems.retain(|problem| problem.starts_with("error"));
        assert_eq!(configuration, None, "{text}");
        assert_eq!(problems.len(), expected.len(), "{text}\n{problems:#?}");
        for (problem, (message, hint)) in problems.iter().zip(*expected) {
            assert!(problem.starts_with(&format!("error: f{message}")), "{text}\n{problem}");
            assert!(problem.contains(hint), "{text}\n{problem}");
        }
    }
}

#[test]
fn minimal_document_gets_the_documented_defaults() {
    let text = format!("{HEAD}onboardingEndpoint: {{host: onboarding.example.com}}\n{GROUP}");
    let configuration = good(&text);
    let endpoint = &configuration.onboarding_endpoint;
    assert_eq!((endpoint.host.to_string().as_str(), endpoint.port.get()), ("onboarding.example.com", 15443));
    assert_eq!(endpoint.transport_security, TransportSecurity::Tls(Tls { sni: None, insecure_skip_verify: false }));
    assert_eq!(configuration.settings.connected_over, ConnectedOver::Vpc);
    assert!(configuration.workload.labels.is_empty());
    assert_eq!(good(super::Kind::OnboardingConfiguration.example()), configuration);
}

#[test]
fn reads_every_field() {
    let configuration = good(&format!(
        "---\n{HEAD}onboardingEndpoint:\n  host: 192.0.2.7\n  port: 443\n  transportSecurity:\n    tls:\n      \
         sni: onboarding.example.com\n      insecureSkipVerify: true\n{GROUP}workload:\n  labels:\n    version: v5\n    \
         app.kubernetes.io/name: ''\nsettings:\n  connectedOver: INTERNET\n\n\n"
    ));
    insta::assert_snapshot!(serde_saphyr::to_string(&configuration).expect("serializes"), @r#"
    onboardingEndpoint:
      host: "192.0.2.7"
      port: 443
      transportSecurity:
        tls:
          sni: onboarding.example.com
          insecureSkipVerify: true
    workloadGroup:
      namespace: bookinfo
      name: ratings
    workload:
      labels:
        app.kubernetes.io/name: ""
        version: v5
    settings:
      connectedOver: INTERNET
    "#);
}

#[test]
fn reads_json_on_one_line_and_on_many() {
    let yaml = good(&format!("{HEAD}onboardingEndpoint: {{host: a.example.com, port: 1}}\n{GROUP}"));
    let json = r#"{"apiVersion":"config.agent.onboarding.tetrate.io/v1alpha1","kind":"OnboardingConfiguration",
	"onboardingEndpoint":{"host":"a.example.com","port":1},"workloadGroup":{"namespace":"bookinfo","name":"ratings"}}"#;
    assert_eq!(good(json), yaml);
    assert_eq!(good(&json.replace(['\n', '\t'], "")), yaml);
}

#[test]
fn takes_protocol_buffers_spellings_of_absent_values() {
    let plain = good(&format!("{HEAD}onboardingEndpoint: {{host: a}}\n{GROUP}"));
    let text = format!(
        "{HEAD}onboardingEndpoint: {{host: a, port: '15443', transportSecurity: {{tls: {{sni: ''}}}}}}\n{GROUP}\
         workload: {{labels: null}}\nsettings: {{connectedOver: ''}}\n"
    );
    assert_eq!(good(&text), plain);
    assert_eq!(good(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), plain);
}

#[test]
fn warns_of_what_is_seldom_meant() {
    let head = |endpoint: &str| format!("{HEAD}onboardingEndpoint: {{{endpoint}}}\n{GROUP}");
    for (endpoint, warning) in [
        ("host: 192.0.2.7", Some("warning: f:3:28: onboardingEndpoint.host: the host is an IP address and")),
        ("host: '2001:db8::1', transportSecurity: {tls: {}}", Some("warning: f:3:28: onboardingEndpoint.host:")),
        ("host: 192.0.2.7, transportSecurity: {tls: {sni: a.example.com}}", None),
        ("host: a, transportSecurity: {tls: {insecureSkipVerify: false}}", None),
        ("host: a, transportSecurity: {tls: {insecureSkipVerify: true}}", Some("accepted: whoever answers")),
        ("host: 192.0.2.7, transportSecurity: {tls: {insecureSkipVerify: true}}", Some("accepted: whoever answers")),
        ("host: 192.0.2.7, transportSecurity: {none: {}}", Some("the connection is not encrypted")),
    ] {
        let (configuration, problems) = parse(head(endpoint));
        assert!(configuration.is_some(), "{endpoint}");
        assert_eq!(problems.len(), usize::from(warning.is_some()), "{endpoint}\n{problems:#?}");
        assert!(problems.iter().zip(warning).all(|(problem, part)| problem.contains(part)), "{problems:#?}");
    }
}

#[test]
fn rejects_files_that_are_not_one_document() {
    let second = format!("{}---\nkind: AgentConfiguration\n", super::Kind::OnboardingConfiguration.example());
    let deep = "[".repeat(100_000);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    rejects(&[
        ("", &[(": the file holds no document", "kind: OnboardingConfiguration")]),
        ("---\n# nothing\n\n", &[(": the file holds no document", "host: onboarding.example.com")]),
        (&second, &[(":9:1: a second document", "one document per file")]),
        ("- a\n", &[(":1:1: expected an object, found a list", "")]),
        ("just text\n", &[(":1:1: expected an object, found text", "")]),
        ("a: [\n", &[(":1:4: the file is not valid YAML: ", "indentation")]),
        ("a:\n\t- b\n", &[(":2:2: the file is not valid YAML: ", "tabs")]),
        (bomb, &[(":5:8: the document is too big", "no configuration file")]),
        (&deep, &[(":1:33: the ", "")]),
    ]);
    let (configuration, problems) = parse(b"a: b\nc: \xff\n");
    assert_eq!((configuration, problems.len()), (None, 1));
    assert!(problems[0].starts_with("error: f:2:1: the file is not UTF-8"), "{problems:?}");
}

#[test]
fn checks_the_kind_first() {
    rejects(&[
        (
            "apiVersion: config.agent.onboarding.tetrate.io/v1alpha1\nkind: AgentConfiguration\nhost: {auto: {}}\n",
            &[(
                ":2:7: kind: this is the AgentConfiguration, but this file holds the OnboardingConfiguration",
                "/etc/onboarding-agent/agent.config.yaml",
            )],
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nspec: {}\n",
            &[
                (":1:13: apiVersion: expected config.agent.onboarding", "write `apiVersion: config"),
                (":2:7: kind: expected OnboardingConfiguration, found `WorkloadGroup`", "write `kind: Onboarding"),
            ],
        ),
        (
            "onboardingEndpoint: {host: a}\nworkloadGroup: {namespace: a, name: b}\n",
            &[(":1:1: apiVersion: this field is required", "add"), (":1:1: kind: this field is required", "add")],
        ),
    ]);
}

#[test]
fn rejects_each_field_that_is_wrong() {
    let with = |endpoint: &str, rest: &str| format!("{HEAD}onboardingEndpoint: {endpoint}\n{rest}");
    let endpoint = |text: &str| with(text, GROUP);
    let rest = |text: &str| with("{host: a}", text);
    rejects(&[
        (&rest(""), &[(":1:1: workloadGroup: this field is required", "add `workloadGroup`")]),
        (&endpoint("{}"), &[(":3:21: onboardingEndpoint.host: this field is required", "add `host`")]),
        (&endpoint("{host: }"), &[(":3:26: onboardingEndpoint.host: this field is required", "")]),
        (&endpoint("a.example.com"), &[(":3:21: onboardingEndpoint: expected an object, found text", "below")]),
        (&endpoint("{host: 'a b'}"), &[(":3:28: onboardingEndpoint.host: `a b` is neither", "DNS")]),
        (&endpoint("{host: 10}"), &[(":3:28: onboardingEndpoint.host: expected text, found a number", "quotes")]),
        (&endpoint("{host: a, port: 0}"), &[(":3:37: onboardingEndpoint.port: must be 1 to 65535, found 0", "15443")]),
        (&endpoint("{host: a, port: 65536}"), &[(":3:37: onboardingEndpoint.port: must be 1 to 65535", "")]),
        (
            &endpoint("{host: a, port: x}"),
            &[(":3:37: onboardingEndpoint.port: expected a whole number, found text", "")],
        ),
        (&endpoint("{host: a, port: 1.5}"), &[(":3:37: onboardingEndpoint.port: expected a whole number", "")]),
        (&endpoint("{host: a, host: b}"), &[(":3:31: onboardingEndpoint.host: the field is set a second", "delete")]),
        (&endpoint("{hots: a, host: a}"), &[(":3:22: onboardingEndpoint.hots: unknown field `hots`", "mean `host`?")]),
        (
            &endpoint("{host: a, transportSecurity: {tls: {}, none: {}}}"),
            &[(":3:66: onboardingEndpoint.transportSecurity: `tls` and `none` are both set", "delete the one")],
        ),
        (
            &endpoint("{host: a, transportSecurity: {none: }}"),
            &[(":3:55: onboardingEndpoint.transportSecurity.none: `none` has no value", "`none: {}`")],
        ),
        (
            &endpoint("{host: a, transportSecurity: {none: {sni: a}}}"),
            &[(":3:58: onboardingEndpoint.transportSecurity.none.sni: unknown field", "write `{}`")],
        ),
        (
            &endpoint("{host: a, transportSecurity: {tls: {sni: 192.0.2.7, insecureSkipVerify: 1}}}"),
            &[
                (":3:62: onboardingEndpoint.transportSecurity.tls.sni: `192.0.2.7` is not a DNS name", "never addr"),
                (":3:93: onboardingEndpoint.transportSecurity.tls.insecureSkipVerify: expected true or false", ""),
            ],
        ),
        (
            &rest("workloadGroup: {namespace: a/b, name: B}\n"),
            &[
                (":4:28: workloadGroup.namespace: `a/b` is not a namespace", "a field each"),
                (":4:39: workloadGroup.name: `B` is not a name", "kubectl"),
            ],
        ),
        (
            &rest(&format!("{GROUP}workload: {{labels: {{v: 1.10, w: true, 'a b': '-', z: ~}}}}\n")),
            &[
                (":5:24: workload.labels.v: expected text, found a number", "quotes"),
                (":5:33: workload.labels.w: expected text, found true/false", "quotes"),
                (":5:46: workload.labels[\"a b\"]: `a b` is not a label key", "63"),
                (":5:46: workload.labels[\"a b\"]: `-` is not a label value", "63"),
                (":5:54: workload.labels.z: expected text, found nothing", "empty text"),
            ],
        ),
        (
            &rest(&format!("{GROUP}settings: {{connectedOver: vpc}}\n")),
            &[(":5:27: settings.connectedOver: `vpc` is neither", "VPC")],
        ),
        (
            &rest(&format!("{GROUP}address: 192.0.2.7\n")),
            &[(":5:1: address: unknown field `address`", "known here: apiVersion, kind")],
        ),
    ]);
}

#[test]
fn reports_no_terminal_escapes_from_the_file() {
    let (_, problems) = parse(format!("{HEAD}\"\\e[31m\": x\nonboardingEndpoint: {{host: \"\\e[2J\"}}\n{GROUP}"));
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| !problem.contains('\u{1b}')), "{problems:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let (configuration, problems) = parse(&bytes);
        prop_assert!(configuration.is_some() || !problems.is_empty());
    }

    #[test]
    fn damaged_documents_never_panic(at in 0usize..180, cut in 0usize..8, put in "[\\[\\]{}:,&*!|>'\"%@`\n\t -]{0,4}") {
        let mut text = super::Kind::OnboardingConfiguration.example().to_owned();
        let start = at.min(text.len());
        text.replace_range(start..(start + cut).min(text.len()), &put);
        let (configuration, problems) = parse(&text);
        prop_assert!(configuration.is_some() || !problems.is_empty());
    }
}
