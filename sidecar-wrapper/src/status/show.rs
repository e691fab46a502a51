//! The status as `sidecar-wrapper status` shows it.

use std::{
    fmt,
    io::{self, Write},
};

use serde::Serialize;

use super::{MainProcess, Reading, Status};
use crate::text::visible;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
    /// Under another name, so that nobody takes it for what is.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<&'a Status>,
}

/// For programs.
pub(crate) fn show_json(reading: &Reading, stdout: &mut dyn Write) -> io::Result<()> {
    let (status, last) = match reading {
        Reading::Running(status) => (Some(status), None),
        Reading::Gone { last } => (None, Some(last)),
        Reading::Silent | Reading::None => (None, None),
    };
    let running = matches!(reading, Reading::Running(_) | Reading::Silent);
    let document = Document { schema: Status::SCHEMA, running, status, last };
    serde_json::to_writer_pretty(&mut *stdout, &document)?;
    writeln!(stdout)
}

/// For people.
pub(crate) fn show_text(reading: &Reading, stdout: &mut dyn Write) -> io::Result<()> {
    match reading {
        Reading::Running(status) => table(status, stdout),
        Reading::Gone { last } => {
            writeln!(
                stdout,
                "not running: sidecar-wrapper (pid {}) was ended by force; it said last:",
                last.wrapper.pid
            )?;
            table(last, stdout)
        }
        Reading::Silent => {
            writeln!(stdout, "running, and no status is written: it has only begun, or the disk is full")
        }
        Reading::None => writeln!(stdout, "not running"),
    }
}

fn table(status: &Status, stdout: &mut dyn Write) -> io::Result<()> {
    let Status { state, ready, since, main, restarts, last_ending, message, .. } = status;
    let mut row = |name: &str, value: &dyn fmt::Display| writeln!(stdout, "{name:<14}{}", visible(&value.to_string()));
    row("state", state)?;
    row("ready", if *ready { &"yes" } else { &"no" })?;
    row("since", since)?;
    match main {
        Some(MainProcess { program, pid, started }) => {
            row("main process", &format_args!("{program} (pid {pid}), since {started}"))?;
        }
        None => row("main process", &"none")?,
    }
    row("restarts", restarts)?;
    if let Some(ending) = last_ending {
        row("last ending", &ending.reason)?;
    }
    message.as_ref().map_or(Ok(()), |message| row("message", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::document::tests::{at, full, status};

    fn text(reading: &Reading) -> String {
        let mut text = Vec::new();
        show_text(reading, &mut text).expect("memory takes it");
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn people_see_a_table() {
        insta::assert_snapshot!(text(&Reading::Running(full())), @"
        state         waiting
        ready         no
        since         2026-01-31T12:00:05Z
        main process  envoy (pid 4712), since 2026-01-31T12:00:00Z
        restarts      3
        last ending   was killed by SIGKILL: the kernel ran out of memory for this service and killed a process of it
        message       the next start is in 8 s
        ");
        let mut short = status();
        short.since = at("2026-01-31T12:00:00Z");
        insta::assert_snapshot!(text(&Reading::Running(short)), @"
        state         starting
        ready         no
        since         2026-01-31T12:00:00Z
        main process  none
        restarts      0
        ");
        insta::assert_snapshot!(text(&Reading::Gone { last: full() }).lines().next().expect("a line"), @"not running: sidecar-wrapper (pid 4711) was ended by force; it said last:");
        assert_eq!(text(&Reading::None), "not running\n");
    }

    #[test]
    fn a_message_is_one_line() {
        let mut status = status();
        status.message = Some("a\nready         yes\x1b[2J".to_owned());
        let text = text(&Reading::Running(status));
        assert!(text.ends_with("message       a\\nready         yes\\u{1b}[2J\n"), "{text}");
    }

    #[test]
    fn programs_see_what_is_apart_from_what_was() {
        let json = |reading: &Reading| -> serde_json::Value {
            let mut json = Vec::new();
            show_json(reading, &mut json).expect("memory takes it");
            serde_json::from_slice(&json).expect("JSON")
        };
        let running = json(&Reading::Running(full()));
        assert_eq!((&running["running"], &running["status"]["restarts"]), (&true.into(), &3.into()));
        let gone = json(&Reading::Gone { last: full() });
        assert_eq!((&gone["running"], &gone["last"]["restarts"]), (&false.into(), &3.into()));
        assert!(gone.get("status").is_none());
        assert_eq!(json(&Reading::Silent), serde_json::json!({ "schema": 1, "running": true }));
        assert_eq!(json(&Reading::None), serde_json::json!({ "schema": 1, "running": false }));
    }
}
