//! One line for each answer, on stdout, written by a thread of its own so that no request waits for it.

use std::{
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

/// How many lines wait at most. Beyond that they are counted and dropped: a full pipe must not stop downloads.
const QUEUE: usize = 8192;

/// How long the server waits at its end for its last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

#[derive(Debug)]
enum Message {
    Line(Box<Line>),
    /// All lines before this one are written.
    Flush(SyncSender<()>),
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// The combined log format of other servers, with duration and release at the end.
    Text,
    /// One JSON object a line.
    Json,
    /// No lines.
    Off,
}

/// What is known when an answer has ended.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    #[serde(serialize_with = "rfc3339")]
    pub(crate) time: SystemTime,
    pub(crate) client: IpAddr,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) protocol: &'static str,
    pub(crate) status: u16,
    /// Of the body, as given to the connection.
    pub(crate) bytes: u64,
    /// Whether all of the body was given.
    pub(crate) complete: bool,
    /// From the request's head to the end of the answer.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(crate) duration: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<String>,
}

impl Line {
    /// What came was no request.
    pub(crate) fn malformed(client: IpAddr, status: u16, fault: String) -> Self {
        Self {
            time: SystemTime::now(),
            client,
            method: "-".to_owned(),
            path: "-".to_owned(),
            protocol: "-",
            status,
            bytes: 0,
            complete: true,
            duration: Duration::ZERO,
            release: None,
            range: None,
            user_agent: None,
            fault: Some(fault),
        }
    }
}

fn rfc3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&timestamp(*time))
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Where lines are handed in.
#[derive(Debug)]
pub(crate) struct AccessLog {
    lines: Option<SyncSender<Message>>,
    /// Lines that were lost.
    pub(crate) dropped: Counter,
}

impl AccessLog {
    /// Starts the writing thread, unless the log is off.
    pub(crate) fn start(format: LogFormat) -> io::Result<Self> {
        let lines = match format {
            LogFormat::Off => None,
            LogFormat::Text | LogFormat::Json => {
                let (sender, receiver) = sync_channel(QUEUE);
                std::thread::Builder::new()
                    .name("access-log".to_owned())
                    .spawn(move || write_lines(format, &receiver, io::stdout()))?;
                Some(sender)
            }
        };
        Ok(Self { lines, dropped: Counter::default() })
    }

    /// Whether lines are wanted.
    #[must_use]
    pub(crate) const fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    pub(crate) fn write(&self, line: Line) {
        let Some(lines) = &self.lines else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = lines.try_send(Message::Line(line.into())) {
            self.dropped.inc();
        }
    }

    /// Waits until all lines are written, but not for ever: nobody may be reading them.
    pub(crate) fn finish(&self) {
        let (done, written) = sync_channel(1);
        if let Some(lines) = &self.lines
            && lines.try_send(Message::Flush(done)).is_ok()
        {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

/// Ends when the last sender is gone, or nobody reads stdout any more. What cannot be written otherwise, as on a full disk, is
/// lost line by line, and later lines are tried again.
fn write_lines(format: LogFormat, messages: &Receiver<Message>, out: impl Write) {
    let mut out = io::BufWriter::new(out);
    let mut next = messages.recv().ok();
    while let Some(message) = next {
        let written = match message {
            Message::Line(line) => write_line(format, &line, &mut out),
            Message::Flush(done) => {
                let written = out.flush();
                let _ = done.try_send(());
                written
            }
        };
        next = messages.try_recv().ok();
        let written = if next.is_none() { written.and_then(|()| out.flush()) } else { written };
        if written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return;
        }
        if next.is_none() {
            next = messages.recv().ok();
        }
    }
}

fn write_line(format: LogFormat, line: &Line, out: &mut impl Write) -> io::Result<()> {
    if format == LogFormat::Json {
        serde_json::to_writer(&mut *out, line)?;
        return writeln!(out);
    }
    let Line { client, method, path, protocol, status, bytes, duration, .. } = line;
    let time = timestamp(line.time).strftime("%d/%b/%Y:%H:%M:%S +0000");
    let agent = line.user_agent.as_deref().unwrap_or("-");
    let release = line.release.as_deref().unwrap_or("-");
    let cut = if line.complete { "" } else { " cut" };
    writeln!(
        out,
        "{client} - - [{time}] \"{method} {} {protocol}\" {status} {bytes} \"-\" \"{}\" {:.3} release={release}{cut}",
        visible(path),
        visible(agent),
        duration.as_secs_f64()
    )
}

/// What strangers sent must not end a line or a quotation, nor turn the text around.
fn visible(text: &str) -> String {
    text.chars().fold(String::new(), |mut visible, c| {
        if c == ' ' || c.is_ascii_graphic() && !matches!(c, '"' | '\\') {
            visible.push(c);
        } else {
            visible.extend(c.escape_default());
        }
        visible
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: LogFormat) -> String {
        let (sender, receiver) = sync_channel(1);
        let line = Line {
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            client: IpAddr::from([192, 0, 2, 1]),
            method: "GET".to_owned(),
            path: "/install/\"\n\u{202e}".to_owned(),
            protocol: "HTTP/1.1",
            status: 200,
            bytes: 87,
            complete: false,
            duration: Duration::from_millis(1500),
            release: Some("7".into()),
            range: None,
            user_agent: Some("curl/7.88.1".to_owned()),
            fault: None,
        };
        sender.send(Message::Line(line.into())).expect("there is room");
        drop(sender);
        let mut out = Vec::new();
        write_lines(format, &receiver, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn text_is_one_line_whatever_was_asked_for() {
        assert_eq!(
            written(LogFormat::Text),
            "192.0.2.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /install/\\\"\\n\\u{202e} HTTP/1.1\" 200 87 \"-\" \"curl/7.88.1\" 1.500 \
             release=7 cut\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = written(LogFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((value["status"].as_u64(), value["time"].as_str()), (Some(200), Some("2023-11-14T22:13:20Z")));
        assert_eq!(line.lines().count(), 1);
    }
}
