use std::path::PathBuf;

use artifact::Revision;
use serde::Serialize;

use super::{
    document,
    field::{Field, FieldError, collect, parse_all},
    kind::Kind,
    plugin::{Plugin, plugin, program_text},
    problem::{Explain, Problems},
    values::{InterfacePattern, NoFields, WaitTime},
};

/// How the agent works on this machine: `agent.config.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentConfiguration {
    /// Where the machine's identity and addresses come from.
    pub host: HostSource,
    /// The sidecar that the agent starts.
    pub sidecar: Sidecar,
    /// Settings of plugin executions.
    pub settings: AgentSettings,
}

/// Where the machine's identity and addresses come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HostSource {
    /// Found out.
    Auto(NoFields),
    /// The metadata service of AWS.
    Aws(AwsHost),
    /// Plugins.
    Custom(CustomHost),
}

/// The services of AWS that run workloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AwsHost {
    /// A virtual machine of EC2.
    Ec2(NoFields),
}

/// A machine that is known through plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomHost {
    /// At least one, in the order in which they are tried.
    pub credential: Vec<CredentialSource>,
    /// Default basic.
    pub hostinfo: HostInfo,
}

/// Where a credential comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialSource {
    /// The program to ask.
    pub plugin: Plugin,
}

/// Where the machine's addresses come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HostInfo {
    /// The program to ask.
    Plugin(Plugin),
    /// The network interfaces; private addresses only.
    Basic(BasicHostInfo),
}

/// The machine's own view of its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BasicHostInfo {
    /// Which interfaces count.
    pub network_interfaces: NetworkInterfaces,
}

/// Which network interfaces count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NetworkInterfaces {
    /// Empty: any.
    pub include: Vec<InterfacePattern>,
    /// Empty: none.
    pub exclude: Vec<InterfacePattern>,
}

/// The sidecar that the agent starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sidecar {
    /// The Istio sidecar.
    pub istio: IstioSidecar,
    /// Default /dev/stdout.
    pub stdout: OutputFile,
    /// Default /dev/stderr.
    pub stderr: OutputFile,
}

/// The Istio sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IstioSidecar {
    /// The revision of the installed istio-sidecar package.
    pub revision: Revision,
}

/// A file that the sidecar's output goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputFile {
    /// Relative to the agent's working directory.
    pub filename: PathBuf,
}

/// Settings of plugin executions; calls to the onboarding plane do not use them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentSettings {
    /// How plugins are called.
    pub connection: Connection,
}

/// How plugins are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// How long one execution may take; default 30 s.
    pub timeout: WaitTime,
    /// When to try again.
    pub retry_policy: RetryPolicy,
}

/// When to try again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// The only policy.
    pub exponential_backoff: ExponentialBackoff,
}

/// Waits that grow from one interval to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExponentialBackoff {
    /// The first wait, never longer than `max_interval`; default 1 s.
    pub initial_interval: WaitTime,
    /// The longest wait; default 15 s.
    pub max_interval: WaitTime,
}

impl Default for Sidecar {
    fn default() -> Self {
        Self {
            istio: IstioSidecar { revision: Revision::default_revision() },
            stdout: OutputFile { filename: "/dev/stdout".into() },
            stderr: OutputFile { filename: "/dev/stderr".into() },
        }
    }
}

impl Default for ExponentialBackoff {
    fn default() -> Self {
        Self { initial_interval: WaitTime::from_secs(1), max_interval: WaitTime::from_secs(15) }
    }
}

impl Default for Connection {
    fn default() -> Self {
        let retry_policy = RetryPolicy { exponential_backoff: ExponentialBackoff::default() };
        Self { timeout: WaitTime::from_secs(30), retry_policy }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`initialInterval` is longer than `maxInterval`, so every wait is {0}")]
struct BackoffShrinks(WaitTime);

impl Explain for BackoffShrinks {
    fn hint(&self) -> Option<String> {
        Some("make `maxInterval` the longer one".to_owned())
    }
}

impl AgentConfiguration {
    /// Reads YAML or JSON; `None` if `problems` holds an error afterwards.
    #[must_use]
    pub fn parse(bytes: &[u8], problems: &Problems) -> Option<Self> {
        let kind = Kind::AgentConfiguration;
        let node = document::parse(bytes, kind.example(), problems)?;
        let root = Field::root(&node, problems);
        let document = root.object_of_kind(kind, &["apiVersion", "kind", "host", "sidecar", "settings"])?;
        let host = document.or("host", HostSource::Auto(NoFields {}), host);
        let sidecar = document.or("sidecar", Sidecar::default(), sidecar);
        let connection = document.or("settings", Connection::default(), |field| {
            field.object(&["connection"])?.or("connection", Connection::default(), connection)
        });
        let settings = AgentSettings { connection: connection? };
        let configuration = Self { host: host?, sidecar: sidecar?, settings };
        (!problems.any_error()).then_some(configuration)
    }
}

fn host(field: &Field<'_>) -> Option<HostSource> {
    match field.object(&["auto", "aws", "custom"])?.one_of(&["auto", "aws", "custom"]).ok()? {
        None => Some(HostSource::Auto(NoFields {})),
        Some(("aws", aws)) => self::aws(&aws).map(HostSource::Aws),
        Some(("custom", custom)) => self::custom(&custom).map(HostSource::Custom),
        Some((_, auto)) => auto.object(&[]).map(|_| HostSource::Auto(NoFields {})),
    }
}

fn aws(field: &Field<'_>) -> Option<AwsHost> {
    let object = field.object(&["ec2"])?;
    if let Some((_, ec2)) = object.one_of(&["ec2"]).ok()? {
        ec2.object(&[])?;
        return Some(AwsHost::Ec2(NoFields {}));
    }
    object.required("ec2")?;
    None
}

fn custom(field: &Field<'_>) -> Option<CustomHost> {
    let object = field.object(&["credential", "hostinfo"])?;
    let credential = object.required("credential").map(|field| {
        let sources = field.list()?;
        if sources.is_empty() {
            field.error(&FieldError::EmptyList);
        }
        collect(&sources, |source| {
            let plugin = source.object(&["plugin"])?.required("plugin").and_then(|field| plugin(&field))?;
            Some(CredentialSource { plugin })
        })
    });
    let hostinfo = object.or("hostinfo", HostInfo::Basic(BasicHostInfo::default()), hostinfo);
    Some(CustomHost { credential: credential??, hostinfo: hostinfo? })
}

fn hostinfo(field: &Field<'_>) -> Option<HostInfo> {
    match field.object(&["plugin", "basic"])?.one_of(&["plugin", "basic"]).ok()? {
        None => Some(HostInfo::Basic(BasicHostInfo::default())),
        Some(("plugin", program)) => plugin(&program).map(HostInfo::Plugin),
        Some((_, basic)) => {
            let object = basic.object(&["networkInterfaces"])?;
            let network_interfaces =
                object.or("networkInterfaces", NetworkInterfaces::default(), network_interfaces)?;
            Some(HostInfo::Basic(BasicHostInfo { network_interfaces }))
        }
    }
}

fn network_interfaces(field: &Field<'_>) -> Option<NetworkInterfaces> {
    let object = field.object(&["include", "exclude"])?;
    let include = object.or("include", Vec::new(), parse_all);
    let exclude = object.or("exclude", Vec::new(), parse_all);
    Some(NetworkInterfaces { include: include?, exclude: exclude? })
}

fn sidecar(field: &Field<'_>) -> Option<Sidecar> {
    let object = field.object(&["istio", "stdout", "stderr"])?;
    let default = Sidecar::default();
    let istio = object.or("istio", default.istio, |field| {
        let default = Revision::default_revision();
        let read = |field: &Field<'_>| field.parse_or(Revision::default_revision(), |revision| revision);
        Some(IstioSidecar { revision: field.object(&["revision"])?.or("revision", default, read)? })
    });
    let stdout = object.or("stdout", default.stdout.clone(), |field| output_file(field, default.stdout));
    let stderr = object.or("stderr", default.stderr.clone(), |field| output_file(field, default.stderr));
    Some(Sidecar { istio: istio?, stdout: stdout?, stderr: stderr? })
}

fn output_file(field: &Field<'_>, default: OutputFile) -> Option<OutputFile> {
    field.object(&["filename"])?.or("filename", default.clone(), |field| {
        let filename = program_text(field.text()?, field)?;
        Some(if filename.is_empty() { default } else { OutputFile { filename: filename.into() } })
    })
}

fn connection(field: &Field<'_>) -> Option<Connection> {
    let object = field.object(&["timeout", "retryPolicy"])?;
    let default = Connection::default();
    let timeout = object.or("timeout", default.timeout, Field::parse);
    let retry_policy = object.or("retryPolicy", default.retry_policy, |field| {
        let default = ExponentialBackoff::default();
        let exponential_backoff = field.object(&["exponentialBackoff"])?.or("exponentialBackoff", default, backoff)?;
        Some(RetryPolicy { exponential_backoff })
    });
    Some(Connection { timeout: timeout?, retry_policy: retry_policy? })
}

fn backoff(field: &Field<'_>) -> Option<ExponentialBackoff> {
    let object = field.object(&["initialInterval", "maxInterval"])?;
    let default = ExponentialBackoff::default();
    let initial = object.or("initialInterval", default.initial_interval, Field::parse);
    let max = object.or("maxInterval", default.max_interval, Field::parse);
    let (initial, max_interval) = (initial?, max?);
    if initial > max_interval && object.get("initialInterval").is_some() {
        field.warning(&BackoffShrinks(max_interval));
    }
    Some(ExponentialBackoff { initial_interval: initial.min(max_interval), max_interval })
}
