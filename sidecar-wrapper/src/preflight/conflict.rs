//! What is in the way, and what to do about it.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use super::{Holder, Process, User};
use crate::launch::Port;

/// Somebody has what the sidecar needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} is taken by {holder}")]
pub struct Conflict {
    /// What it needs.
    pub place: Place,
    /// Who has it.
    pub holder: Holder,
}

/// Everything that is in the way: at least one conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(Vec<Conflict>);

impl Conflicts {
    /// None if there are none.
    pub(super) fn new(found: Vec<Conflict>) -> Option<Self> {
        (!found.is_empty()).then_some(Self(found))
    }

    /// In the order of what they are about.
    #[must_use]
    pub fn as_slice(&self) -> &[Conflict] {
        &self.0
    }

    /// The next steps, each once: one sidecar has many ports.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        for conflict in &self.0 {
            let same = self.0.iter().filter(|other| other.holder == conflict.holder);
            let hint = conflict.hint_of(same.map(|other| &other.place));
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }
}

/// What only one can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A port.
    Port {
        /// As the sidecar would have it.
        port: Port,
        /// The address that somebody has it at.
        taken: IpAddr,
    },
    /// The socket of pilot-agent's SDS server.
    SdsSocket(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { port: Port { number, purpose, .. }, taken } => {
                write!(f, "port {number} ({purpose}) at {taken}")
            }
            Self::SdsSocket(path) => write!(f, "the SDS socket {}", path.display()),
        }
    }
}

/// Shows the holder of some places to those who may see it.
fn question<'a>(places: impl Iterator<Item = &'a Place>) -> String {
    let (mut ports, mut socket) = (Vec::new(), None);
    for place in places {
        match place {
            Place::Port { port, .. } => ports.push(format!("sport = :{}", port.number)),
            // ss knows a socket by the path it was bound with, and pilot-agent's is relative.
            Place::SdsSocket(_) => socket = Some("sudo ss -lxp | grep workload-spiffe-uds".to_owned()),
        }
    }
    let ports = (!ports.is_empty()).then(|| format!("sudo ss -ltnp '{}'", ports.join(" or ")));
    ports.into_iter().chain(socket).collect::<Vec<_>>().join("; ")
}

impl Conflict {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> String {
        self.hint_of(std::iter::once(&self.place))
    }

    /// With all that its holder has.
    fn hint_of<'a>(&self, places: impl Iterator<Item = &'a Place>) -> String {
        match &self.holder {
            Holder::Process(process) => match (is_sidecar(process), process.service()) {
                _ if process.is_systemd() => "it listens for a unit: systemctl list-sockets".to_owned(),
                (_, Some(service)) if process.of_our_service => {
                    format!("it is left from an earlier start: systemctl restart {service}")
                }
                (true, Some(service)) => format!("another sidecar runs: systemctl stop {service}"),
                (true, None) => format!("another sidecar runs: {}", kill(process)),
                (false, Some(service)) => {
                    format!("if it is not needed: systemctl stop {service}; otherwise it must listen elsewhere")
                }
                (false, None) => format!("if it is not needed: {}; otherwise it must listen elsewhere", kill(process)),
            },
            Holder::User(User { name: Some(name), .. }) if is_sidecars_user(name) => {
                format!(
                    "another sidecar may run (systemctl stop istio onboarding-agent); to see it: {}",
                    question(places)
                )
            }
            Holder::User(_) | Holder::Unknown => format!("to see it: {}", question(places)),
        }
    }
}

/// With the one who would start it again, if there is one.
fn kill(process: &Process) -> String {
    format!("kill {}", process.owner.as_ref().map_or(process.pid, |owner| owner.pid))
}

/// Whether it is a program of a sidecar, or the agent that has one. Programs may rename themselves.
fn is_sidecar(process: &Process) -> bool {
    // The kernel cuts names after 15 bytes.
    const PROGRAMS: [&str; 4] = ["envoy", "pilot-agent", "sidecar-wrapper", "onboarding-agent"];
    const LONGEST: usize = 15;
    if process.owner.is_some() {
        return true;
    }
    let command = process.command.as_deref().and_then(|command| Path::new(command).file_name()?.to_str());
    PROGRAMS.iter().any(|&program| process.name == program[..program.len().min(LONGEST)] || command == Some(program))
}

/// Whom packages make for sidecars.
fn is_sidecars_user(name: &str) -> bool {
    ["istio-proxy", "onboarding-agent"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        launch::{Families, Purpose},
        preflight::Owner,
    };

    fn conflict(holder: Holder) -> Conflict {
        let port =
            Port { number: 15000, address: [127, 0, 0, 1].into(), purpose: Purpose::Admin, families: Families::Own };
        Conflict { place: Place::Port { port, taken: [0, 0, 0, 0].into() }, holder }
    }

    fn process(name: &str, unit: Option<&str>) -> Process {
        let command = Some(format!("/usr/bin/{name}"));
        let (name, unit) = (name.to_owned(), unit.map(str::to_owned));
        Process { pid: 4711, name, command, unit, of_our_service: false, owner: None }
    }

    /// One that is started again when it ends.
    fn owned(name: &str, unit: Option<&str>) -> Process {
        Process { owner: Some(Owner { pid: 60, name: "sidecar-wrapper".to_owned() }), ..process(name, unit) }
    }

    #[test]
    fn each_hint_is_said_once() {
        let holders = [process("envoy", None), process("nc", None), process("envoy", None)];
        let conflicts = Conflicts::new(holders.map(|holder| conflict(Holder::Process(holder))).to_vec());
        let elsewhere = "if it is not needed: kill 4711; otherwise it must listen elsewhere";
        assert_eq!(conflicts.expect("three").hints(), ["another sidecar runs: kill 4711", elsewhere]);
        assert_eq!(Conflicts::new(Vec::new()), None);

        let hidden = conflict(Holder::User(User { uid: 33, name: Some("www-data".to_owned()) }));
        let socket = Conflict { place: Place::SdsSocket("/run/socket".into()), ..hidden.clone() };
        let mut second = hidden.clone();
        if let Place::Port { port, .. } = &mut second.place {
            port.number = 15021;
        }
        let conflicts = Conflicts::new(vec![hidden, second, socket]).expect("three");
        let expected =
            "to see it: sudo ss -ltnp 'sport = :15000 or sport = :15021'; sudo ss -lxp | grep workload-spiffe-uds";
        assert_eq!(conflicts.hints(), [expected]);
    }

    #[test]
    fn says_what_is_taken_and_by_whom() {
        let user = |name: Option<&str>| Holder::User(User { uid: 998, name: name.map(str::to_owned) });
        for (holder, expected) in [
            (
                Holder::Process(process("nginx", Some("nginx.service"))),
                "nginx (pid 4711, /usr/bin/nginx, nginx.service)",
            ),
            (Holder::Process(Process { command: None, ..process("nginx", None) }), "nginx (pid 4711)"),
            (Holder::Process(owned("envoy", None)), "envoy (pid 4711, /usr/bin/envoy) of sidecar-wrapper (pid 60)"),
            (user(Some("istio-proxy")), "a process of user istio-proxy (uid 998)"),
            (user(None), "a process of uid 998"),
            (Holder::Unknown, "an unknown process"),
        ] {
            let expected = format!("port 15000 (Envoy's administration) at 0.0.0.0 is taken by {expected}");
            assert_eq!(conflict(holder).to_string(), expected);
        }
    }

    #[test]
    fn hints_at_the_next_step() {
        let elsewhere = "otherwise it must listen elsewhere";
        for (holder, expected) in [
            (process("envoy", Some("istio.service")), "another sidecar runs: systemctl stop istio"),
            (
                process("onboarding-agen", Some("onboarding-agent.service")),
                "another sidecar runs: systemctl stop onboarding-agent",
            ),
            (process("pilot-agent", Some("session-3.scope")), "another sidecar runs: kill 4711"),
            (owned("envoy", None), "another sidecar runs: kill 60"),
            (owned("proxy", Some("session-3.scope")), "another sidecar runs: kill 60"),
            (owned("envoy", Some("istio.service")), "another sidecar runs: systemctl stop istio"),
            (process("sidecar-wrapper", None), "another sidecar runs: kill 4711"),
            (
                process("nginx", Some("nginx.service")),
                &format!("if it is not needed: systemctl stop nginx; {elsewhere}"),
            ),
            (
                Process { command: Some("/opt/envoy".to_owned()), ..process("wrk:main", None) },
                "another sidecar runs: kill 4711",
            ),
            (process("nc", None), &format!("if it is not needed: kill 4711; {elsewhere}")),
            (
                Process { of_our_service: true, ..process("envoy", Some("istio.service")) },
                "it is left from an earlier start: systemctl restart istio",
            ),
        ] {
            assert_eq!(conflict(Holder::Process(holder)).hint(), expected);
        }
        let systemd = Process { pid: 1, ..process("systemd", Some("init.scope")) };
        assert_eq!(conflict(Holder::Process(systemd)).hint(), "it listens for a unit: systemctl list-sockets");
        let user = |name: &str| conflict(Holder::User(User { uid: 998, name: Some(name.to_owned()) })).hint();
        assert_eq!(user("www-data"), "to see it: sudo ss -ltnp 'sport = :15000'");
        assert_eq!(
            user("istio-proxy"),
            "another sidecar may run (systemctl stop istio onboarding-agent); to see it: sudo ss -ltnp 'sport = :15000'"
        );
    }
}
