//! The sidecar's settings, of both files together.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::env_file::{Assignment, Position};

/// The two files that settings come from, weaker first, as upstream's start script reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvFile {
    /// `sidecar.env`, which the machine's owner writes.
    Sidecar,
    /// `cluster.env`, which `istioctl x workload entry configure` writes.
    Cluster,
}

impl EnvFile {
    /// Both, weaker first.
    pub const ALL: [Self; 2] = [Self::Sidecar, Self::Cluster];

    /// Where upstream's start script looks for it.
    #[must_use]
    pub const fn default_path(self) -> &'static str {
        match self {
            Self::Sidecar => "/var/lib/istio/envoy/sidecar.env",
            Self::Cluster => "/var/lib/istio/envoy/cluster.env",
        }
    }

    /// The environment variable that names another path, the same as upstream's.
    #[must_use]
    pub const fn path_variable(self) -> &'static str {
        match self {
            Self::Sidecar => "ISTIO_SIDECAR_CONFIG",
            Self::Cluster => "ISTIO_CLUSTER_CONFIG",
        }
    }
}

impl fmt::Display for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sidecar => "sidecar.env",
            Self::Cluster => "cluster.env",
        })
    }
}

/// A value and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Without quotes.
    pub value: String,
    /// The file.
    pub file: EnvFile,
    /// The place in it.
    pub position: Position,
}

/// The settings that take effect, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, Setting>);

impl Settings {
    /// Adds a file's assignments over what is there.
    pub fn layer(&mut self, file: EnvFile, assignments: Vec<Assignment>) {
        self.0.extend(
            assignments
                .into_iter()
                .map(|Assignment { name, value, position }| (name, Setting { value, file, position })),
        );
    }

    /// All settings, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.0.iter().map(|(name, setting)| (name.as_str(), setting))
    }
}

/// What is shown in the place of a secret.
pub const HIDDEN: &str = "***";

/// Whether values of that name must not be shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    // Headers that pilot-agent sends to the control plane can be credentials: `XDS_HEADER_*`, `CA_HEADER_*`.
    const MARKS: [&str; 11] = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "PRIVATE",
        "CREDENTIAL",
        "_KEY",
        "APIKEY",
        "AUTHORIZATION",
        "_HEADER_",
    ];
    let name = name.to_ascii_uppercase();
    MARKS.iter().any(|mark| name.contains(mark))
}

/// Whether this value must not be shown: a secret, a text that names one, or an URL with a password.
#[must_use]
pub fn hides(name: &str, value: &str) -> bool {
    let has_names = matches!(name, "PROXY_CONFIG" | "ISTIO_AGENT_FLAGS") || name.starts_with("ISTIO_METAJSON_");
    is_secret(name) || (has_names && is_secret(value)) || has_password(value)
}

fn has_password(value: &str) -> bool {
    value.match_indices("://").any(|(at, mark)| {
        let rest = &value[at + mark.len()..];
        let authority = rest.split(['/', '?', '#', '\n', ' ']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env_file;

    #[test]
    fn the_later_assignment_and_the_stronger_file_win() {
        let mut settings = Settings::default();
        for (file, text) in
            [(EnvFile::Sidecar, "BOTH=sidecar\nONE=first\nONE=second"), (EnvFile::Cluster, "BOTH=cluster")]
        {
            settings.layer(file, env_file::parse(text.as_bytes()).expect("well formed"));
        }
        let shown: Vec<_> =
            settings.iter().map(|(name, setting)| (name, setting.value.as_str(), setting.file)).collect();
        assert_eq!(shown, [("BOTH", "cluster", EnvFile::Cluster), ("ONE", "second", EnvFile::Sidecar)]);
    }

    #[test]
    fn knows_names_of_secrets() {
        for name in
            ["ISTIO_TOKEN", "my_secret_1", "DB_PASSWORD", "PRIVATE_PEM", "CREDENTIALS", "API_KEY", "XDS_HEADER_X"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["KEYCLOAK_HOST", "SERVICE_ACCOUNT", "TRUST_DOMAIN", "PROV_CERT"] {
            assert!(!is_secret(name), "{name}");
        }
        for (name, value) in [
            ("PROXY_CONFIG", "proxyMetadata: {apiKey: x}"),
            ("ISTIO_AGENT_FLAGS", "--some-password x"),
            ("HTTPS_PROXY", "http://me:x@proxy:3128/"),
            ("NOTE", "see http://a/ and https://b:x@c"),
        ] {
            assert!(hides(name, value), "{name}");
        }
        for (name, value) in [
            ("ISTIO_META_WORKLOAD_NAME", "token-service"),
            ("PROXY_CONFIG", "statusPort: 1"),
            ("HTTPS_PROXY", "http://proxy:3128/a@b:c"),
        ] {
            assert!(!hides(name, value), "{name}");
        }
    }
}
