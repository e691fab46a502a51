use std::{
    borrow::Cow,
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, Write},
    net::SocketAddr,
};

use artifact::SidecarInfo;
use serde::Serialize;

use super::{Launch, Main, Plan, Port, ProcessEnvironment, Purpose, concerns_sidecar};
use crate::{
    settings::{HIDDEN, hides, is_secret},
    shell::quote,
};

/// A launch as people and scripts read it, without secrets. Of the environment it has what differs from this process's own,
/// and what concerns a sidecar.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    launch: &'a Launch,
    sidecar: &'a SidecarInfo,
    base: &'a ProcessEnvironment,
}

#[derive(Serialize)]
struct Document<'a> {
    main: &'static str,
    revision: String,
    istio: String,
    envoy: String,
    directory: Cow<'a, str>,
    program: Cow<'a, str>,
    arguments: Vec<Cow<'a, str>>,
    environment: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Variables of this process that the program does not get.
    removed: Vec<Cow<'a, str>>,
    ports: Vec<PortEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sds_socket: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct PortEntry {
    port: u16,
    address: String,
    purpose: &'static str,
}

impl<'a> Command<'a> {
    /// What `plan` says; `base` is this process's environment.
    #[must_use]
    pub const fn new(plan: &'a Plan, base: &'a ProcessEnvironment) -> Self {
        Self { launch: &plan.launch, sidecar: &plan.sidecar, base }
    }

    /// A command for a shell with the same environment, with comments around it.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Launch { main, program, directory, ports, .. } = self.launch;
        writeln!(out, "# {}", Program::from(*main).describe(self.sidecar))?;
        writeln!(out, "cd {} &&", quote(directory.as_os_str()))?;
        let mut lines: Vec<String> = self.removed().map(|name| format!("-u {}", quote(name))).collect();
        lines.extend(self.environment().map(|(name, value)| format!("{}={}", quote(name), quote(&value))));
        if !lines.is_empty() {
            lines.insert(0, "env".to_owned());
        }
        lines.push(quote(program.as_os_str()));
        for argument in self.arguments() {
            match lines.last_mut() {
                // A flag and its value, and the words before the first flag, stay in one line.
                Some(last) if !argument.as_encoded_bytes().starts_with(b"-") => {
                    last.extend([" ", &quote(&argument)]);
                }
                _ => lines.push(quote(&argument)),
            }
        }
        writeln!(out, "{}", lines.join(" \\\n  "))?;
        ports.iter().try_for_each(|Port { number, address, purpose, .. }| {
            writeln!(out, "# listens on {}: {purpose}", SocketAddr::new(*address, *number))
        })
    }

    /// One JSON document.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let Launch { main, program, directory, ports, admin, sds_socket, .. } = self.launch;
        let document = Document {
            main: Program::from(*main).name(),
            revision: self.sidecar.revision.to_string(),
            istio: self.sidecar.istio.to_string(),
            envoy: self.sidecar.envoy.to_string(),
            directory: directory.to_string_lossy(),
            program: program.to_string_lossy(),
            arguments: self.arguments().map(|argument| text(&argument)).collect(),
            environment: self.environment().map(|(name, value)| (name.to_string_lossy(), text(&value))).collect(),
            removed: self.removed().map(OsStr::to_string_lossy).collect(),
            ports: ports.iter().map(port_entry).collect(),
            admin: *admin,
            sds_socket: sds_socket.as_ref().map(|path| path.to_string_lossy()),
        };
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }

    fn removed(&self) -> impl Iterator<Item = &'a OsStr> {
        let env = &self.launch.env;
        self.base.keys().filter(|name| !env.contains_key(*name)).map(OsString::as_os_str)
    }

    fn environment(&self) -> impl Iterator<Item = (&'a OsStr, Cow<'a, OsStr>)> {
        let base = self.base;
        let shown =
            self.launch.env.iter().filter(|(name, value)| concerns_sidecar(name) || base.get(*name) != Some(value));
        shown.map(|(name, value)| {
            let hidden = hides(&name.to_string_lossy(), &value.to_string_lossy());
            (name.as_os_str(), Cow::Borrowed(if hidden { OsStr::new(HIDDEN) } else { value }))
        })
    }

    fn arguments(&self) -> impl Iterator<Item = Cow<'a, OsStr>> {
        let mut is_value_of_secret = false;
        self.launch.args.iter().map(move |argument| {
            let word = argument.to_string_lossy();
            // Even if it looks like a flag: pilot-agent takes it for the value.
            if std::mem::take(&mut is_value_of_secret) || hides("", &word) {
                return Cow::Borrowed(OsStr::new(HIDDEN));
            }
            let (flag, value) = word.split_once('=').map_or((&*word, None), |(flag, value)| (flag, Some(value)));
            let is_of_secret = flag.starts_with('-') && is_secret(&flag.replace('-', "_"));
            is_value_of_secret = is_of_secret && value.is_none();
            match value {
                Some(_) if is_of_secret => Cow::Owned(format!("{flag}={HIDDEN}").into()),
                _ => Cow::Borrowed(argument.as_os_str()),
            }
        })
    }
}

fn text<'a>(value: &Cow<'a, OsStr>) -> Cow<'a, str> {
    match value {
        Cow::Borrowed(value) => value.to_string_lossy(),
        Cow::Owned(value) => value.to_string_lossy().into_owned().into(),
    }
}

fn port_entry(port: &Port) -> PortEntry {
    let purpose = match port.purpose {
        Purpose::Admin => "admin",
        Purpose::Status => "status",
        Purpose::Health => "health",
        Purpose::Prometheus => "prometheus",
        Purpose::Listener => "listener",
    };
    PortEntry { port: port.number, address: port.address.to_string(), purpose }
}

/// Which of the two programs runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    PilotAgent,
    Envoy,
}

impl Program {
    /// What a payload is started by, unless somebody gives a bootstrap.
    pub(crate) const fn of(sidecar: &SidecarInfo) -> Self {
        if sidecar.pilot_agent { Self::PilotAgent } else { Self::Envoy }
    }

    /// As its file is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::PilotAgent => "pilot-agent",
            Self::Envoy => "envoy",
        }
    }

    /// What runs, in one line.
    pub(crate) fn describe(self, sidecar: &SidecarInfo) -> String {
        let SidecarInfo { revision, istio, envoy, .. } = sidecar;
        match self {
            Self::PilotAgent => format!("pilot-agent of Istio {istio} with Envoy {envoy}, revision {revision}"),
            Self::Envoy => format!("Envoy {envoy} alone, of Istio {istio}, revision {revision}"),
        }
    }
}

impl From<Main> for Program {
    fn from(main: Main) -> Self {
        match main {
            Main::PilotAgent { .. } => Self::PilotAgent,
            Main::Envoy => Self::Envoy,
        }
    }
}
