//! The formats of lines: of Envoy, of pilot-agent, of Go's runtime and libraries, and of the loader.

use super::{json, level::Level};

/// How much of a line is looked at; what decides is at its head, but keys of JSON come in any order.
const HEAD: usize = 1024;

/// What a line says about its own level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It names one.
    Level(Level),
    /// It names one, and belongs to a report of many such lines.
    Reports(Level, Report),
    /// Go's runtime reports the end of the program.
    GoCrash,
    /// It belongs to the line before.
    Continues,
    /// Nothing.
    Nothing,
}

/// What Envoy writes line by line, each with a level of its own. The first line has the reason, and stack frames follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// The end of the program: `assert` and `backtrace`.
    Crash,
    /// What should not be, and is survived: `envoy_bug`.
    Bug,
}

/// Looks at a line's head.
pub(super) fn says(line: &[u8]) -> Says {
    let line = &line[..line.len().min(HEAD)];
    let level = match line.first() {
        // Envoy's dumps of headers have a line `':path', '/'` for each, and an empty one at the end.
        None | Some(b' ' | b'\t' | b'\'' | b'\n' | b'\r') => return Says::Continues,
        Some(b'[') => return envoy(line).unwrap_or(Says::Nothing),
        Some(b'{') => json::level(line),
        Some(b'0'..=b'9') => return istio(line).unwrap_or(Says::Nothing),
        // Of pilot-agent and of Envoy, about their command lines.
        Some(b'E') if line.starts_with(b"Error: ") => Some(Level::Error),
        Some(b'P') if line.starts_with(b"PARSE ERROR: ") => Some(Level::Error),
        Some(b'/') if loader(line) => Some(Level::Error),
        Some(b'I' | b'W' | b'E' | b'F') => klog(line),
        Some(b'f' | b'g' | b'p' | b'r' | b'u' | b'S') if go_crash(line) => return Says::GoCrash,
        Some(_) => None,
    };
    level.map_or(Says::Nothing, Says::Level)
}

/// `[2026-11-26 02:43:24.123][1234][warning][main] [source] text`
fn envoy(line: &[u8]) -> Option<Says> {
    let mut fields = line.strip_prefix(b"[")?.split(|&byte| byte == b']').map(|field| (field, field.first()));
    // Access logs have a time in brackets, too, but nothing in brackets right after it.
    let (_, Some(b'0'..=b'9')) = fields.next()? else { return None };
    let (_thread, Some(b'[')) = fields.next()? else { return None };
    let (level, _) = fields.next()?;
    let level = Level::from_word(level.strip_prefix(b"[")?)?;
    let scope = fields.next().and_then(|(scope, _)| scope.strip_prefix(b"["));
    Some(with_scope(level, scope.unwrap_or_default()))
}

/// `2026-11-26T02:43:24.123456Z<TAB>info<TAB>text`, which pilot-agent makes Envoy use as well.
fn istio(line: &[u8]) -> Option<Says> {
    // As long as a time with nanoseconds and an offset.
    const TIME: usize = 36;
    let mut fields = line.splitn(4, |&byte| byte == b'\t');
    let time = fields.next()?;
    let level = fields.next()?;
    if time.len() > TIME || time.get(10) != Some(&b'T') {
        return None;
    }
    let level = Level::from_word(level.trim_ascii_end())?;
    // `envoy main source/a.cc:1<TAB>text`
    let scope = fields.next().and_then(|rest| rest.strip_prefix(b"envoy ")?.split(|&byte| byte == b' ').next());
    Some(with_scope(level, scope.unwrap_or_default()))
}

fn with_scope(level: Level, scope: &[u8]) -> Says {
    match scope {
        b"assert" | b"backtrace" => Says::Reports(level, Report::Crash),
        b"envoy_bug" => Says::Reports(level, Report::Bug),
        _ => Says::Level(level),
    }
}

/// `E1126 02:43:24.123456    1234 file.go:12] text`: of Go's libraries before pilot-agent has set up its own log.
fn klog(line: &[u8]) -> Option<Level> {
    let (&letter, rest) = line.split_first()?;
    let (day, rest) = rest.split_at_checked(4)?;
    if !day.iter().all(u8::is_ascii_digit) || !rest.starts_with(b" ") || rest.get(3) != Some(&b':') {
        return None;
    }
    match letter {
        b'I' => Some(Level::Info),
        b'W' => Some(Level::Warning),
        b'E' => Some(Level::Error),
        _ => Some(Level::Critical),
    }
}

/// `/usr/local/bin/envoy: error while loading shared libraries: ...`, or that libc has no `GLIBC_2.28`: what the loader
/// says on a system that is too old.
fn loader(line: &[u8]) -> bool {
    let says = |text: &str| memchr::memmem::find(line, text.as_bytes()).is_some();
    says(": error while loading shared libraries: ") || (says(": version `") && says("' not found (required by "))
}

/// The lines by which Go's runtime starts the parts of a crash's report.
fn go_crash(line: &[u8]) -> bool {
    const HEADS: [&[u8]; 5] = [b"panic: ", b"fatal error: ", b"runtime: ", b"unexpected fault address ", b"SIGABRT: "];
    let goroutine = || {
        let rest = line.strip_prefix(b"goroutine ")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0 && rest[digits..].starts_with(b" [")).then_some(())
    };
    HEADS.iter().any(|head| line.starts_with(head)) || goroutine().is_some()
}
