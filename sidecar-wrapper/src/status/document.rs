//! What the file says.

use std::{fmt, net::SocketAddr, process};

use artifact::{Revision, SidecarInfo, UpstreamVersion};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ending::{Ending, OutOfMemory};

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    schema: u32,
    /// What the wrapper is at.
    pub state: State,
    /// Whether the sidecar takes traffic.
    pub ready: bool,
    /// What people should know of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the state last changed.
    pub since: Timestamp,
    /// Who writes this.
    pub wrapper: Wrapper,
    /// What it looks after.
    pub sidecar: Sidecar,
    /// The process that it started, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<MainProcess>,
    /// How often it was started again.
    pub restarts: u32,
    /// How the last one ended, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ending: Option<LastEnding>,
    /// Where Envoy's administration is, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,
}

/// What the wrapper is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The sidecar is being started, or runs and has not been ready yet.
    Starting,
    /// The sidecar takes traffic.
    Ready,
    /// It did, and does not now.
    NotReady,
    /// It finishes what it has, and takes no more.
    Draining,
    /// It is told to end.
    Stopping,
    /// It ended, and the next start is not due yet.
    Waiting,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::NotReady => "not-ready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Waiting => "waiting",
        })
    }
}

/// This program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrapper {
    /// Of the process that holds the lock.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// The installed sidecar, in the words of its package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// The Istio revision that the package was made for.
    pub revision: Revision,
    /// Istio's version.
    pub istio: UpstreamVersion,
    /// Envoy's version.
    pub envoy: UpstreamVersion,
    /// Whether pilot-agent is installed.
    pub pilot_agent: bool,
}

impl From<&SidecarInfo> for Sidecar {
    fn from(info: &SidecarInfo) -> Self {
        let SidecarInfo { revision, istio, envoy, pilot_agent, .. } = info.clone();
        Self { revision, istio, envoy, pilot_agent }
    }
}

/// The process that the wrapper started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainProcess {
    /// Its name.
    pub program: String,
    /// Its number.
    pub pid: u32,
    /// Since when it runs.
    pub started: Timestamp,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEnding {
    /// For people.
    pub reason: String,
    /// If it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// If a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// If the kernel ran out of memory meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<OutOfMemory>,
}

impl LastEnding {
    /// The same for people and for programs.
    #[must_use]
    pub fn new(ending: Ending, out_of_memory: Option<OutOfMemory>) -> Self {
        let reason = match out_of_memory {
            Some(why) => format!("{ending}: {why}"),
            None => ending.to_string(),
        };
        Self { reason, code: ending.code(), signal: ending.signal(), out_of_memory }
    }
}

impl Status {
    /// The schema that this version writes and reads. Members may be added to it, and readers ignore what they do not know.
    pub const SCHEMA: u32 = 1;

    /// That of a wrapper, which is this process, before anything is started.
    #[must_use]
    pub fn starting(sidecar: Sidecar) -> Self {
        Self {
            schema: Self::SCHEMA,
            state: State::Starting,
            ready: false,
            message: None,
            since: now(),
            wrapper: Wrapper { pid: process::id(), version: env!("CARGO_PKG_VERSION").to_owned() },
            sidecar,
            main: None,
            restarts: 0,
            last_ending: None,
            admin: None,
        }
    }

    /// Takes note of a state; a message of the one before does not outlive it.
    pub fn enter(&mut self, state: State, message: Option<String>) {
        if self.state != state {
            self.since = now();
        }
        self.state = state;
        self.ready = state == State::Ready;
        self.message = message;
    }
}

/// The time in whole seconds: more is of no use to anybody who reads this.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::status) fn status() -> Status {
        Status::starting(Sidecar {
            revision: Revision::new("1-29").expect("valid"),
            istio: "1.29.6".parse().expect("valid"),
            envoy: "1.37.0".parse().expect("valid"),
            pilot_agent: true,
        })
    }

    pub(in crate::status) fn at(time: &str) -> Timestamp {
        time.parse().expect("RFC 3339")
    }

    /// Everything that can be said.
    pub(in crate::status) fn full() -> Status {
        let mut status = status();
        status.enter(State::Waiting, Some("the next start is in 8 s".to_owned()));
        status.since = at("2026-01-31T12:00:05Z");
        status.wrapper = Wrapper { pid: 4711, version: "0.1.0".to_owned() };
        status.main = Some(MainProcess { program: "envoy".to_owned(), pid: 4712, started: at("2026-01-31T12:00:00Z") });
        status.restarts = 3;
        status.last_ending = Some(LastEnding::new(Ending::Killed { signal: 9, core: false }, Some(OutOfMemory::Here)));
        status.admin = Some(([127, 0, 0, 1], 15000).into());
        status
    }

    #[test]
    fn is_written_in_words_and_read_back() {
        let status = full();
        let json = serde_json::to_string_pretty(&status).expect("plain data");
        insta::assert_snapshot!(json, @r#"
        {
          "schema": 1,
          "state": "waiting",
          "ready": false,
          "message": "the next start is in 8 s",
          "since": "2026-01-31T12:00:05Z",
          "wrapper": {
            "pid": 4711,
            "version": "0.1.0"
          },
          "sidecar": {
            "revision": "1-29",
            "istio": "1.29.6",
            "envoy": "1.37.0",
            "pilot_agent": true
          },
          "main": {
            "program": "envoy",
            "pid": 4712,
            "started": "2026-01-31T12:00:00Z"
          },
          "restarts": 3,
          "last_ending": {
            "reason": "was killed by SIGKILL: the kernel ran out of memory for this service and killed a process of it",
            "signal": 9,
            "out_of_memory": "here"
          },
          "admin": "127.0.0.1:15000"
        }
        "#);
        assert_eq!(serde_json::from_str::<Status>(&json).expect("the same"), status);
        let short = serde_json::to_string(&self::status()).expect("plain data");
        assert_eq!(serde_json::from_str::<Status>(&short).expect("the same"), self::status());
        assert!(!short.contains("null"), "{short}");
    }

    #[test]
    fn states_have_the_same_words_in_both_forms() {
        use State::{Draining, NotReady, Ready, Starting, Stopping, Waiting};
        for state in [Starting, Ready, NotReady, Draining, Stopping, Waiting] {
            assert_eq!(serde_json::to_value(state).expect("a word"), state.to_string());
        }
    }

    #[test]
    fn only_a_change_of_state_moves_the_time() {
        let (mut status, long_ago) = (status(), at("2020-01-01T00:00:00Z"));
        status.since = long_ago;
        status.enter(State::Starting, Some("a message".to_owned()));
        assert_eq!((status.since, status.ready), (long_ago, false));
        status.enter(State::Ready, None);
        assert!(status.since > long_ago && status.ready && status.message.is_none());
        status.enter(State::Draining, None);
        assert!(!status.ready);
    }
}
