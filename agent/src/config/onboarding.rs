use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    document,
    field::{Field, quoted},
    kind::Kind,
    problem::{Explain, Problems},
    values::{GroupName, Host, LabelKey, LabelValue, Namespace, NoFields, Port, ServerName},
};

/// Which mesh to join, and as what: `onboarding.config.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnboardingConfiguration {
    /// Where to join.
    pub onboarding_endpoint: OnboardingEndpoint,
    /// The `WorkloadGroup` to join.
    pub workload_group: WorkloadGroup,
    /// What to say about the workload.
    pub workload: Workload,
    /// How the workload takes part in the mesh.
    pub settings: OnboardingSettings,
}

/// Where the onboarding plane listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnboardingEndpoint {
    /// Name or address.
    pub host: Host,
    /// Default 15443.
    pub port: Port,
    /// Default TLS, verified.
    pub transport_security: TransportSecurity,
}

/// How the connection to the onboarding plane is protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TransportSecurity {
    /// TLS.
    Tls(Tls),
    /// Plaintext.
    None(NoFields),
}

/// Settings of the TLS client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Sent as SNI and verified instead of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<ServerName>,
    /// Accepts any certificate.
    pub insecure_skip_verify: bool,
}

/// A `WorkloadGroup` of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkloadGroup {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: GroupName,
}

/// What this machine says about its workload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Added to the labels of the `WorkloadGroup`; they cannot override those.
    pub labels: BTreeMap<LabelKey, LabelValue>,
}

/// How the workload takes part in the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnboardingSettings {
    /// Default VPC.
    pub connected_over: ConnectedOver,
}

/// Which of the host's addresses the mesh uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConnectedOver {
    /// The private address.
    Vpc,
    /// The public address.
    Internet,
}

/// A setting that is wrong or seldom meant.
#[derive(Debug, thiserror::Error)]
enum OnboardingError {
    #[error("the host is an IP address and `transportSecurity.tls.sni` is not set")]
    AddressWithoutSni,
    #[error("any certificate is accepted: whoever answers gets this machine's credential")]
    Unverified,
    #[error("the connection is not encrypted: this machine's credential can be read on the way")]
    Plaintext,
    #[error("{} is neither VPC nor INTERNET", quoted(.0))]
    ConnectedOver(String),
}

impl Explain for OnboardingError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::AddressWithoutSni => "certificates seldom hold addresses: set `sni` to the DNS name in the certificate of the endpoint".to_owned(),
            Self::Unverified => "trust the CA of the endpoint on this machine and delete `insecureSkipVerify`; if the name differs, set `sni`".to_owned(),
            Self::Plaintext => "use `tls` outside of tests".to_owned(),
            Self::ConnectedOver(text) => {
                let upper = text.to_uppercase();
                if matches!(upper.as_str(), "VPC" | "INTERNET") {
                    format!("write it in capitals: {upper}")
                } else {
                    "leave it out for VPC".to_owned()
                }
            }
        })
    }
}

impl OnboardingConfiguration {
    /// Reads YAML or JSON; `None` if `problems` holds an error afterwards.
    #[must_use]
    pub fn parse(bytes: &[u8], problems: &Problems) -> Option<Self> {
        let kind = Kind::OnboardingConfiguration;
        let node = document::parse(bytes, kind.example(), problems)?;
        let root = Field::root(&node, problems);
        let document = root.object_of_kind(kind, FIELDS)?;
        let endpoint = document.required("onboardingEndpoint").map(|field| endpoint(&field));
        let group = document.required("workloadGroup").map(|field| workload_group(&field));
        let workload = document.or("workload", Workload::default(), workload);
        let connected_over = document.or("settings", ConnectedOver::Vpc, settings);
        let configuration = Self {
            onboarding_endpoint: endpoint??,
            workload_group: group??,
            workload: workload?,
            settings: OnboardingSettings { connected_over: connected_over? },
        };
        (!problems.any_error()).then_some(configuration)
    }
}

const FIELDS: &[&str] = &["apiVersion", "kind", "onboardingEndpoint", "workloadGroup", "workload", "settings"];

fn endpoint(field: &Field<'_>) -> Option<OnboardingEndpoint> {
    let object = field.object(&["host", "port", "transportSecurity"])?;
    let host_field = object.required("host");
    let host = host_field.as_ref().and_then(Field::parse::<Host>);
    let port = object.or("port", Port::ONBOARDING, port);
    let security = object.or("transportSecurity", TransportSecurity::Tls(Tls::default()), transport_security);
    let (host_field, host, security) = (host_field?, host?, security?);
    if let (Host::Ip(_), TransportSecurity::Tls(Tls { sni: None, insecure_skip_verify: false })) = (&host, &security) {
        host_field.warning(&OnboardingError::AddressWithoutSni);
    }
    Some(OnboardingEndpoint { host, port: port?, transport_security: security })
}

fn port(field: &Field<'_>) -> Option<Port> {
    Port::try_from(field.integer()?).map_err(|error| field.error(&error)).ok()
}

fn transport_security(field: &Field<'_>) -> Option<TransportSecurity> {
    let object = field.object(&["tls", "none"])?;
    match object.one_of(&["tls", "none"]).ok()? {
        None => Some(TransportSecurity::Tls(Tls::default())),
        Some(("none", none)) => {
            none.object(&[])?;
            none.warning(&OnboardingError::Plaintext);
            Some(TransportSecurity::None(NoFields {}))
        }
        Some((_, tls)) => self::tls(&tls).map(TransportSecurity::Tls),
    }
}

fn tls(field: &Field<'_>) -> Option<Tls> {
    let object = field.object(&["sni", "insecureSkipVerify"])?;
    let sni = object.or("sni", None, |field| field.parse_or(None, Some));
    let insecure = object.or("insecureSkipVerify", false, |field| {
        let insecure = field.bool()?;
        if insecure {
            field.warning(&OnboardingError::Unverified);
        }
        Some(insecure)
    });
    Some(Tls { sni: sni?, insecure_skip_verify: insecure? })
}

fn workload_group(field: &Field<'_>) -> Option<WorkloadGroup> {
    let object = field.object(&["namespace", "name"])?;
    let namespace = object.required("namespace").map(|field| field.parse());
    let name = object.required("name").map(|field| field.parse());
    Some(WorkloadGroup { namespace: namespace??, name: name?? })
}

fn workload(field: &Field<'_>) -> Option<Workload> {
    let object = field.object(&["labels"])?;
    Some(Workload { labels: object.or("labels", BTreeMap::new(), labels)? })
}

fn labels(field: &Field<'_>) -> Option<BTreeMap<LabelKey, LabelValue>> {
    let entries = field.entries()?.into_iter().map(|(path, entry)| {
        let value = field.entry(path, entry);
        let key = entry.key.parse::<LabelKey>().map_err(|error| value.error(&error)).ok();
        let value = value.parse::<LabelValue>();
        Some((key?, value?))
    });
    let entries: Vec<Option<(LabelKey, LabelValue)>> = entries.collect();
    entries.into_iter().collect()
}

fn settings(field: &Field<'_>) -> Option<ConnectedOver> {
    let object = field.object(&["connectedOver"])?;
    object.or("connectedOver", ConnectedOver::Vpc, |field| match field.text()? {
        // Protocol buffers: empty is the default.
        "VPC" | "" => Some(ConnectedOver::Vpc),
        "INTERNET" => Some(ConnectedOver::Internet),
        other => {
            field.error(&OnboardingError::ConnectedOver(other.to_owned()));
            None
        }
    })
}
