//! Istio's `ProxyConfig`, in the mesh configuration and in `PROXY_CONFIG`: the few fields that a launch depends on.

use serde_json::{Map, Value};

use super::yaml::{self, YamlError};

/// Those fields that somebody set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Envoy's administration.
    pub admin_port: Option<u16>,
    /// pilot-agent's status.
    pub status_port: Option<u16>,
    /// The control plane.
    pub discovery_address: Option<String>,
    /// Whether it names another Envoy.
    pub names_envoy: bool,
    /// Whether it names the template of the bootstrap, or a bootstrap.
    pub names_template: bool,
}

/// A configuration that pilot-agent would end at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyConfigError {
    /// Bytes of another encoding.
    #[error("not UTF-8")]
    Encoding,
    /// No YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A list or a scalar.
    #[error("{0} is not a map of fields")]
    NotAMap(&'static str),
    /// The wrapper and Envoy need one.
    #[error("{0} is not a port from 1 to 65535")]
    NotAPort(&'static str),
    /// Anything but text.
    #[error("{0} is not text")]
    NotText(&'static str),
}

impl ProxyConfig {
    /// Reads `defaultConfig` of a mesh configuration; nothing at all sets nothing.
    pub fn of_mesh(content: &[u8]) -> Result<Self, ProxyConfigError> {
        let text = str::from_utf8(content).map_err(|_| ProxyConfigError::Encoding)?;
        let mesh = yaml::parse(text)?;
        if !mesh.is_null() && !mesh.is_object() {
            return Err(ProxyConfigError::NotAMap("the mesh configuration"));
        }
        yaml::field(&mesh, "default_config").map_or(Ok(Self::default()), |config| Self::read(config, "defaultConfig"))
    }

    /// Reads `PROXY_CONFIG`.
    pub fn of_variable(text: &str) -> Result<Self, ProxyConfigError> {
        Self::read(&yaml::parse(text)?, "PROXY_CONFIG")
    }

    fn read(config: &Value, name: &'static str) -> Result<Self, ProxyConfigError> {
        if !config.is_null() && !config.is_object() {
            return Err(ProxyConfigError::NotAMap(name));
        }
        let has = |name| yaml::field(config, name).is_some_and(|value| value.as_str() != Some(""));
        Ok(Self {
            admin_port: port(config, "proxy_admin_port", "proxyAdminPort")?,
            status_port: port(config, "status_port", "statusPort")?,
            discovery_address: text(config, "discovery_address", "discoveryAddress")?,
            names_envoy: has("binary_path"),
            names_template: has("proxy_bootstrap_template_path") || has("custom_config_file"),
        })
    }

    /// Both together, where `self` wins.
    #[must_use]
    pub fn over(self, weaker: Self) -> Self {
        Self {
            admin_port: self.admin_port.or(weaker.admin_port),
            status_port: self.status_port.or(weaker.status_port),
            discovery_address: self.discovery_address.or(weaker.discovery_address),
            names_envoy: self.names_envoy || weaker.names_envoy,
            names_template: self.names_template || weaker.names_template,
        }
    }
}

fn port(config: &Value, field: &str, shown: &'static str) -> Result<Option<u16>, ProxyConfigError> {
    let Some(value) = yaml::field(config, field) else { return Ok(None) };
    let number = yaml::number(value).and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0);
    number.map(Some).ok_or(ProxyConfigError::NotAPort(shown))
}

fn text(config: &Value, field: &str, shown: &'static str) -> Result<Option<String>, ProxyConfigError> {
    match yaml::field(config, field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(ProxyConfigError::NotText(shown)),
    }
}

/// `text` with more fields, which it does not have yet. Lines at its end if that reads as meant, as upstream's start script
/// adds them; else, as after `{...}`, all of it as JSON, which is YAML as well.
pub(crate) fn with_fields(text: &str, fields: &[(&str, &str)]) -> String {
    let Some((first, _)) = fields.split_first() else { return text.to_owned() };
    let mut lines = text.to_owned();
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    for (name, value) in fields {
        lines.extend([name, ": ", &scalar(value), "\n"]);
    }
    let mut wanted = match yaml::parse(text) {
        Ok(Value::Object(map)) => map,
        Ok(Value::Null) => Map::new(),
        // Whoever reads it says what is wrong.
        _ => return lines,
    };
    debug_assert!(!wanted.contains_key(first.0), "fields are added only where there are none");
    wanted.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    let wanted = Value::Object(wanted);
    if yaml::parse(&lines).as_ref() == Ok(&wanted) { lines } else { wanted.to_string() }
}

/// Text as YAML 1.1, which Go reads, and 1.2 take it for text.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !text.ends_with(':')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_launch_depends_on_and_nothing_else() {
        let mesh =
            b"enableTracing: what\ndefaultConfig:\n  proxyAdminPort: 1\n  status_port: '2'\n  binaryPath: ''\n  \
                     customConfigFile: x\n  discoveryAddress: a:1\n  readinessProbe: [odd]\n";
        let expected = ProxyConfig {
            admin_port: Some(1),
            status_port: Some(2),
            discovery_address: Some("a:1".to_owned()),
            names_envoy: false,
            names_template: true,
        };
        assert_eq!(ProxyConfig::of_mesh(mesh), Ok(expected));
        for nothing in ["", "# x\n", "{}", "defaultConfig:\n", "defaultConfig: {}"] {
            assert_eq!(ProxyConfig::of_mesh(nothing.as_bytes()), Ok(ProxyConfig::default()), "{nothing:?}");
        }
    }

    #[test]
    fn refuses_what_pilot_agent_would_end_at() {
        for (mesh, message) in [
            (&b"\xff"[..], "not UTF-8"),
            (b"text", "the mesh configuration is not a map of fields"),
            (b"defaultConfig: [1]", "defaultConfig is not a map of fields"),
            (b"defaultConfig: {statusPort: 0}", "statusPort is not a port from 1 to 65535"),
            (b"defaultConfig: {proxyAdminPort: 65536}", "proxyAdminPort is not a port from 1 to 65535"),
            (b"defaultConfig: {proxyAdminPort: many}", "proxyAdminPort is not a port from 1 to 65535"),
            (b"defaultConfig: {discoveryAddress: 5}", "discoveryAddress is not text"),
        ] {
            assert_eq!(ProxyConfig::of_mesh(mesh).expect_err(message).to_string(), message);
        }
        let error = ProxyConfig::of_mesh(b"defaultConfig:\n\tstatusPort: 1\n").expect_err("a tab");
        assert!(matches!(error, ProxyConfigError::Yaml(YamlError { place: Some((2, _)), .. })), "{error:?}");
    }

    #[test]
    fn adds_fields_to_any_way_of_writing_a_map() {
        let add = |text| with_fields(text, &[("discoveryAddress", "istiod:15012"), ("binaryPath", "/x y")]);
        let added = "discoveryAddress: istiod:15012\nbinaryPath: \"/x y\"\n";
        assert_eq!(add(""), added);
        assert_eq!(add("a: 1"), format!("a: 1\n{added}"));
        assert_eq!(add("a:\n- 1\n"), format!("a:\n- 1\n{added}"));
        for (odd, field) in
            [("{a: 1}", "\"a\":1"), ("  a: 1\n  b: 2", "\"b\":2"), ("a: |\n  x\n...\n", "\"a\":\"x\\n\"")]
        {
            let json = add(odd);
            assert!(json.contains(field) && json.contains(r#""binaryPath":"/x y""#), "{json}");
        }
        assert_eq!(with_fields("{a: 1}", &[]), "{a: 1}");
    }

    #[test]
    fn text_stays_text() {
        for (text, scalar_text) in [
            ("rawvm", "rawvm"),
            ("foo.bar", "foo.bar"),
            ("istiod.istio-system.svc:15012", "istiod.istio-system.svc:15012"),
            ("NO", "\"NO\""),
            ("123", "\"123\""),
            ("[fd00::1]:15012", "\"[fd00::1]:15012\""),
            ("a # b", "\"a # b\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), scalar_text);
        }
    }
}
