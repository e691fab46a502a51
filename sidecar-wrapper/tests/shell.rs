//! The parser against real shells: what it accepts, dash and bash read to the same values.

use std::{collections::BTreeMap, io::Write, process::Command};

use proptest::prelude::*;
use sidecar_wrapper::env_file::{self, Fault};

const NAMES: [&str; 4] = ["T_ONE", "T_TWO", "T_3", "_T4"];
/// The way that POSIX wants of a shell, and the one that upstream's start script runs in.
const SHELLS: [&str; 2] = ["dash", "bash"];

/// Those of `names` that are set after a shell has read the file.
fn shell_reads<'a>(shell: &str, content: &str, names: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content.as_bytes()).expect("writable");
    let script = r#". "$0" || exit 9
for name in "$@"; do eval "[ -z \"\${$name+set}\" ] || printf '%s=%s\0' $name \"\$$name\""; done"#;
    let output = Command::new(shell)
        .args(["-c", script])
        .arg(file.path())
        .args(names)
        .env_clear()
        .env("HOME", "/home/of/test")
        .current_dir("/etc")
        .output()
        .expect("the shell starts");
    assert!(output.status.success() && output.stderr.is_empty(), "{shell} refuses {content:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("what went in was UTF-8");
    text.split_terminator('\0')
        .map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).expect("a pair"))
        .collect()
}

fn parser_reads(content: &str) -> Option<BTreeMap<String, String>> {
    let assignments = env_file::parse(content.as_bytes()).ok()?;
    Some(assignments.into_iter().map(|assignment| (assignment.name, assignment.value)).collect())
}

fn agree(content: &str) -> Option<()> {
    let read = parser_reads(content)?;
    for shell in SHELLS {
        // The parser must not have missed one either.
        let names = read.keys().map(String::as_str).chain(NAMES);
        assert_eq!(shell_reads(shell, content, names), read, "{shell} and the parser differ on {content:?}");
    }
    Some(())
}

/// As Go's `shellescape` and people put a value in single quotes.
fn single_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn double_quoted(value: &str) -> String {
    let mut quoted = String::from('"');
    for c in value.chars() {
        if matches!(c, '$' | '`' | '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

fn escaped(value: &str) -> String {
    value.chars().fold(String::new(), |escaped, c| match c {
        '\n' => escaped + "'\n'",
        '\r' => escaped + "'\r'",
        c => escaped + "\\" + c.encode_utf8(&mut [0; 4]),
    })
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof!["[^\0]{0,12}", "[ -~\n\t]{0,20}", r#"['"\\$` #~:=*;]{0,8}"#]
}

/// Files made of what matters to a shell.
fn files() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&NAMES[..]).prop_map(|name| format!("{name}=")),
        1 => Just("export ".to_owned()),
        3 => prop::sample::select(&["\n", " ", "\t", "\n\n", "\\\n", "#", "#x"][..]).prop_map(str::to_owned),
        2 => prop::sample::select(&["'", "\"", "\\", "''", "\"\"", r"'\''", "\\\"", "\\\\", "\\n"][..]).prop_map(str::to_owned),
        1 => prop::sample::select(&["~", ":~", "=", ":", "*", "{a,b}", "[e]", "!", "%", "^", "~x", "?"][..]).prop_map(str::to_owned),
        3 => "[a-z0-9é/.,@+-]{1,3}",
        2 => values().prop_map(|value| single_quoted(&value)),
        1 => values().prop_map(|value| double_quoted(&value)),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_value_survives_every_way_of_quoting(one in values(), two in values(), three in values()) {
        let content =
            format!("T_ONE={}\nexport T_TWO={} # comment\n\tT_3={}", single_quoted(&one), double_quoted(&two), escaped(&three));
        let expected = [("T_3", three), ("T_ONE", one), ("T_TWO", two)];
        let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value)).into();
        prop_assert_eq!(parser_reads(&content), Some(expected), "{:?}", content);
        agree(&content);
    }

    #[test]
    fn agrees_with_shells_on_every_file_it_accepts(content in files()) {
        agree(&content);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(content: Vec<u8>) {
        let _ = env_file::parse(&content);
    }

    #[test]
    fn errors_stand_inside_the_file_and_in_order(content in files(), cut in 0..60_usize) {
        let bytes = &content.as_bytes()[..cut.min(content.len())];
        if let Err(errors) = env_file::parse(bytes) {
            let text = String::from_utf8_lossy(bytes);
            let lines: Vec<_> = text.split('\n').collect();
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.is_sorted_by_key(|error| error.position));
            for error in errors {
                let line = lines.get(error.position.line as usize - 1).expect("the line exists");
                prop_assert!(error.position.column as usize <= line.chars().count(), "{error} in {text:?}");
            }
        }
    }
}

#[test]
fn agrees_with_shells_on_the_odd_corners() {
    for content in [
        "T_ONE=a\\\nb\\\n  T_TWO=c",
        "T_ONE=a#b T_TWO=#c # d",
        "export T_ONE T_TWO=2\nT_ONE=1",
        "T_ONE=\\~/x T_TWO='~' T_3=a~",
        "T_ONE=*.conf\nT_TWO={a,b}\nT_3=[!x]?",
        "T_ONE='a\nb' T_TWO=\"c\\\nd\\e\"",
        "T_ONE=1\nT_ONE=2",
        "T_ONE=a=b==c\nT_TWO=",
        "# only a comment\r\n#\\\nT_ONE=1",
        "T_ONE=\u{1}\u{7f}\u{81}\u{88}é\u{a0}\u{2028}x",
        "\\\n \\\n T_ONE=1",
        "T_ONE=a\u{b}b\u{c} T_TWO=\u{3000}",
        "T_ONE=1 # c\nexport T_TWO=2 #\nexport T_3=3",
        "export\tT_ONE='x' \\\n T_TWO=y",
    ] {
        agree(content).unwrap_or_else(|| panic!("{content:?} is accepted"));
    }
}

#[test]
fn refuses_what_only_a_shell_can_do() {
    let suspect = |line, column| Some(env_file::Position { line, column });
    let unterminated = |quote, suspect| Fault::UnterminatedQuote { quote, suspect };
    for (content, found) in [
        ("A=$HOME", vec![(1, 3, Fault::Expansion)]),
        ("A=\"x${Y}z\" B=\"$Z\"", vec![(1, 5, Fault::Expansion), (1, 15, Fault::Expansion)]),
        ("A=1\nB=x$(id)\n", vec![(2, 4, Fault::CommandSubstitution)]),
        ("A=\"$(echo \"x\")\"\nB=`id`", vec![(1, 4, Fault::CommandSubstitution), (2, 3, Fault::CommandSubstitution)]),
        ("A=1; B=2", vec![(1, 4, Fault::Operator(';'))]),
        ("A=é&", vec![(1, 4, Fault::Operator('&'))]),
        ("A=(1 2)", vec![(1, 3, Fault::Operator('('))]),
        ("A=~/x\nB=/a:~", vec![(1, 3, Fault::Tilde), (2, 6, Fault::Tilde)]),
        ("export A={a,b}", vec![(1, 10, Fault::Pattern('{'))]),
        ("ulimit -n 1024", vec![(1, 1, Fault::NotAnAssignment)]),
        ("A=1 sleep 1", vec![(1, 5, Fault::NotAnAssignment)]),
        ("export", vec![(1, 1, Fault::NotAnAssignment)]),
        ("export -p", vec![(1, 8, Fault::NotAnAssignment)]),
        ("1A=x", vec![(1, 1, Fault::NotAnAssignment)]),
        ("'A'=x", vec![(1, 1, Fault::NotAnAssignment)]),
        ("A+=x", vec![(1, 1, Fault::NotAnAssignment)]),
        (
            "A = 1\nB= 2\nexport C =3",
            vec![(1, 1, Fault::BlankAroundEquals), (2, 4, Fault::BlankAroundEquals), (3, 10, Fault::BlankAroundEquals)],
        ),
        ("A='x\nB=$C\n", vec![(1, 3, unterminated('\'', None)), (2, 3, Fault::Expansion)]),
        ("A='x\nB='y'\n", vec![(2, 5, unterminated('\'', suspect(1, 3)))]),
        ("A=\"x\\\"", vec![(1, 3, unterminated('"', None))]),
        ("A=x\\", vec![(1, 4, Fault::TrailingBackslash)]),
        ("A=1\r\nB=2\r\n", vec![(1, 4, Fault::CarriageReturn)]),
        ("\u{feff}A=1", vec![(1, 1, Fault::ByteOrderMark)]),
        ("A=x\0\nB='\0'", vec![(1, 4, Fault::Nul), (2, 4, Fault::Nul)]),
    ] {
        let errors = env_file::parse(content.as_bytes()).expect_err(content);
        let errors: Vec<_> =
            errors.into_iter().map(|error| (error.position.line, error.position.column, error.fault)).collect();
        assert_eq!(errors, found, "{content:?}");
    }
    let errors = env_file::parse(b"A=1\nB=\xe9\xff \xff\nC=$\n").expect_err("no UTF-8");
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>()[0], "2:3: not UTF-8");
    assert_eq!(errors.len(), 3, "{errors:?}");
}
