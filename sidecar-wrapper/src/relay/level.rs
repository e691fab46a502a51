//! Which level a line has.

use super::format::{Report, Says, says};

/// Syslog's levels, as far as they are used; the number is what `<N>` says to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// The program cannot go on.
    Critical = 2,
    /// Something failed.
    Error = 3,
    /// Something may fail.
    Warning = 4,
    /// Worth knowing.
    Notice = 5,
    /// What happens.
    Info = 6,
    /// For who looks for a defect.
    Debug = 7,
}

impl Level {
    /// How many bytes [`Level::prefix`] has.
    pub(super) const PREFIX: usize = 3;

    /// See sd-daemon(3).
    pub(super) const fn prefix(self) -> &'static [u8; Self::PREFIX] {
        match self {
            Self::Critical => b"<2>",
            Self::Error => b"<3>",
            Self::Warning => b"<4>",
            Self::Notice => b"<5>",
            Self::Info => b"<6>",
            Self::Debug => b"<7>",
        }
    }

    /// The word of Envoy, of Istio's programs or of Stackdriver, in either case.
    pub(super) fn from_word(word: &[u8]) -> Option<Self> {
        // Longer words are none; this keeps the copy on the stack.
        let mut lower = [0; 8];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        match &*lower {
            b"trace" | b"debug" => Some(Self::Debug),
            // `off` is a threshold; a line that has it all the same is no complaint.
            b"info" | b"off" => Some(Self::Info),
            b"notice" => Some(Self::Notice),
            b"warn" | b"warning" => Some(Self::Warning),
            b"error" => Some(Self::Error),
            b"critical" | b"fatal" | b"panic" | b"dpanic" => Some(Self::Critical),
            _ => None,
        }
    }
}

/// A line's level, and whether the line itself names it and is no later part of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    pub(super) own: bool,
}

/// The levels of a stream's lines, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    unknown: Level,
    previous: Level,
    crashing: bool,
    report: Option<Report>,
}

impl Levels {
    pub(super) const fn new(unknown: Level) -> Self {
        Self { unknown, previous: unknown, crashing: false, report: None }
    }

    /// Of the line before.
    pub(super) const fn previous(self) -> Level {
        self.previous
    }

    /// Of the next line, or of its head if it is long.
    pub(super) fn next(&mut self, line: &[u8]) -> Verdict {
        let own = match says(line) {
            Says::Level(level) => {
                self.crashing = false;
                // Other threads may say something during a crash.
                self.report = self.report.filter(|report| *report == Report::Crash);
                self.previous = level;
                true
            }
            Says::Reports(level, report) => {
                self.crashing = false;
                self.previous = level;
                self.report.replace(report) != Some(report)
            }
            // A trace has many such lines, and the first one has the reason.
            Says::GoCrash => {
                self.previous = Level::Critical;
                !std::mem::replace(&mut self.crashing, true)
            }
            Says::Nothing if !self.crashing => {
                self.previous = self.unknown;
                false
            }
            Says::Continues | Says::Nothing => false,
        };
        Verdict { level: self.previous, own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_formats_of_envoy_and_istio() {
        for (level, line) in [
            (Level::Debug, "[2026-11-26 02:43:24.123][1234][trace][http] [source/a.cc:1] text"),
            (Level::Debug, "[2026-11-26 02:43:24.123][1234][debug][http] [source/a.cc:1] [Tags: \"a\":\"1\"] text"),
            (Level::Info, "[2026-11-26 02:43:24.123][1234][info][main] [source/a.cc:1] text"),
            (Level::Warning, "[2026-11-26 02:43:24.123][1234][warning][main] [source/a.cc:1] text"),
            (Level::Error, "[2026-11-26 02:43:24.123][1234][error][config] text"),
            (Level::Critical, "[2026-11-26 02:43:24.123][1234][critical][backtrace] Caught Segmentation fault"),
            (Level::Info, "[2026-11-26 02:43:24.123][1234][off][main] text"),
            (Level::Debug, "2026-11-26T02:43:24.123456Z\tdebug\txdsproxy\ttext"),
            (Level::Info, "2026-11-26T02:43:24.123456Z\tinfo\ttext"),
            (Level::Warning, "2026-11-26T02:43:24.123456Z\twarn\tca\ttext"),
            (Level::Warning, "2026-11-26T02:43:24.123456Z\twarning\tenvoy main source/a.cc:1\ttext\tthread=12"),
            (Level::Error, "2026-11-26T02:43:24.123456Z\terror\tfailed"),
            (Level::Error, "2026-11-26T02:43:24.123456Z\terror\r"),
            (Level::Critical, "2026-11-26T02:43:24.123456Z\tfatal\tfailed"),
            (Level::Critical, "2026-11-26T02:43:24.123456Z\tcritical\tenvoy main\tfailed"),
            (Level::Error, r#"{"level":"error","time":"2026-11-26T02:43:24.123456Z","msg":"text"}"#),
            (Level::Debug, r#"{"time":"2026-11-26T02:43:24.123456Z","msg":"a \"level\":\"error\"","level":"debug"}"#),
            (Level::Critical, r#"{"severity":"Critical","message":"text"}"#),
            (Level::Info, "I1126 02:43:24.123456    1234 reflector.go:12] text"),
            (Level::Warning, "W1126 02:43:24.123456    1234 reflector.go:12] text"),
            (Level::Error, "E1126 02:43:24.123456    1234 reflector.go:12] text"),
            (Level::Critical, "F1126 02:43:24.123456    1234 reflector.go:12] text"),
            (Level::Error, "Error: unknown flag: --proxy"),
            (Level::Error, "PARSE ERROR: Argument: --bogus"),
            (
                Level::Error,
                "/usr/local/bin/envoy: error while loading shared libraries: libx.so: cannot open shared object file",
            ),
            (
                Level::Error,
                "/usr/local/bin/envoy: /lib64/libc.so.6: version `GLIBC_2.28' not found (required by /usr/local/bin/envoy)",
            ),
        ] {
            let verdict = Levels::new(Level::Notice).next(line.as_bytes());
            assert_eq!(verdict, Verdict { level, own: true }, "{line}");
        }
    }

    #[test]
    fn takes_nothing_else_for_a_level() {
        for line in [
            r#"[2026-11-26T02:43:24.123Z] "GET / HTTP/1.1" 503 UF [error] "-""#,
            "[error] text",
            "[2026][error]",
            "[2026-11-26 02:43:24.123][1234][wrong][main] text",
            "[2026-11-26 02:43:24.123][1234]",
            "[2026-11-26 02:43:24.123][1234][warnin",
            "2026-11-26T02:43:24.123456Z\t",
            "2026-11-26T02:43:24.123456Z error text",
            "12\terror\ttext",
            r#"{"http":{"level":"error"},"code":503}"#,
            r#"{"msg":"level","error":"level"}"#,
            r#"{"level":3}"#,
            "E1126",
            "E112x 02:43",
            "EOF",
            "Information",
            "/usr/local/bin/envoy: error",
            "GET /: error while loading shared libraries: x",
            "panics are fine",
            "goroutine leak",
            "goroutine  [",
            "<3>text",
            "\u{1b}[31merror",
        ] {
            let verdict = Levels::new(Level::Notice).next(line.as_bytes());
            assert_eq!(verdict, Verdict { level: Level::Notice, own: false }, "{line}");
        }
    }

    fn levels(unknown: Level, lines: &[&str]) -> Vec<(u8, bool)> {
        let mut levels = Levels::new(unknown);
        lines.iter().map(|line| levels.next(line.as_bytes())).map(|seen| (seen.level as u8, seen.own)).collect()
    }

    #[test]
    fn what_continues_a_line_has_its_level() {
        let seen = levels(
            Level::Warning,
            &[
                "[2026-11-26 02:43:24.123][1][debug][http] [source/a.cc:1] request headers complete (end_stream=true):",
                "':authority', '127.0.0.1:15021'",
                "':path', '/healthz/ready'",
                "",
                "2026-11-26T02:43:24.123456Z\terror\tfailed",
                "\tat x",
                "  at y",
                "plain",
                " more",
            ],
        );
        let expected = [(7, true), (7, false), (7, false), (7, false), (3, true), (3, false), (3, false)];
        assert_eq!(seen[..7], expected);
        assert_eq!(seen[7..], [(4, false), (4, false)]);
    }

    #[test]
    fn a_report_of_envoys_is_its_first_line() {
        let seen = |lines: &[&str]| levels(Level::Warning, lines).into_iter().map(|(_, own)| own).collect::<Vec<_>>();
        let crash = [
            "[2026-11-26 02:43:24.123][1][critical][backtrace] [./a.h:127] Caught Segmentation fault, suspect faulting address 0x0",
            "[2026-11-26 02:43:24.123][1][critical][backtrace] [./a.h:91] Backtrace (use tools/stack_decode.py):",
            "[2026-11-26 02:43:24.123][1][critical][backtrace] [./a.h:103] #0: __restore_rt [0x7eff]",
        ];
        assert_eq!(seen(&crash), [true, false, false]);
        let assertion = "[2026-11-26 02:43:24.123][1][critical][assert] [a.cc:1] assert failure: x.";
        assert_eq!(seen(&[assertion, crash[0], crash[2]]), [true, false, false]);
        let other = "[2026-11-26 02:43:24.123][2][warning][config] [a.cc:1] text";
        assert_eq!(seen(&[crash[0], other, crash[2]]), [true, true, false]);
        let bug = "[2026-11-26 02:43:24.123][1][error][envoy_bug] [a.cc:1] envoy bug failure: x.";
        let frame = "[2026-11-26 02:43:24.123][1][error][envoy_bug] [a.cc:1] #0: x";
        assert_eq!(seen(&[bug, frame, other, bug, frame, crash[0]]), [true, false, true, true, false, true]);
        let agents = [
            "2026-11-26T02:43:24.123456Z\tcritical\tenvoy backtrace a.h:127\tCaught Aborted\tthread=1",
            "2026-11-26T02:43:24.123456Z\tcritical\tenvoy backtrace a.h:103\t#0: x\tthread=1",
            "2026-11-26T02:43:24.123456Z\terror\tenvoy config a.cc:1\ttext\tthread=1",
        ];
        assert_eq!(seen(&agents), [true, false, true]);
    }

    #[test]
    fn a_crash_of_go_lasts_until_a_line_with_a_level() {
        let seen = levels(
            Level::Warning,
            &[
                "panic: runtime error: invalid memory address or nil pointer dereference",
                "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f4c3]",
                "",
                "goroutine 1 [running]:",
                "main.main()",
                "\t/src/main.go:5 +0x3",
                "created by main.start in goroutine 1",
                "exit status 2",
                "2026-11-26T02:43:24.123456Z\tinfo\ttext",
                "plain",
            ],
        );
        assert_eq!(seen[0], (2, true));
        assert!(seen[1..8].iter().all(|&seen| seen == (2, false)), "{seen:?}");
        assert_eq!(seen[8..], [(6, true), (4, false)]);
        assert_eq!(levels(Level::Warning, &["fatal error: all goroutines are asleep - deadlock!"]), [(2, true)]);
    }
}
