use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use artifact::{Arch, Revision, UpstreamVersion};
use payload_intake::{GlibcVersion, MemberPath};
use reqwest::Url;
use serde::Deserialize;

use super::{MemberKind, Source, SourceError, source::RawSource};
use crate::failure::Diagnose;

/// `revisions.toml`: which Istio revisions get sidecar packages, and from what.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) path: PathBuf,
    /// The newest glibc that a payload may need.
    pub(crate) max_glibc: GlibcVersion,
    /// In the file's order; exactly one is `default`.
    pub(crate) revisions: Vec<RevisionSpec>,
}

/// One Istio revision.
#[derive(Debug, Clone)]
pub(crate) struct RevisionSpec {
    pub(crate) name: Revision,
    pub(crate) istio: UpstreamVersion,
    pub(crate) envoy: UpstreamVersion,
    pub(crate) payloads: BTreeMap<Arch, PayloadSpec>,
}

/// Where a revision's files for one architecture come from.
#[derive(Debug, Clone)]
pub(crate) struct PayloadSpec {
    pub(crate) source: Source,
    pub(crate) members: BTreeMap<MemberKind, MemberPath>,
    /// Whether symbols and debugging sections are taken out of the programs.
    pub(crate) strip: bool,
}

impl PayloadSpec {
    pub(crate) fn has_pilot_agent(&self) -> bool {
        self.members.contains_key(&MemberKind::PilotAgent)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    schema: u32,
    max_glibc: GlibcVersion,
    base_url: Option<String>,
    #[serde(default)]
    revision: Vec<RawRevision>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRevision {
    name: Revision,
    istio: UpstreamVersion,
    envoy: UpstreamVersion,
    #[serde(default)]
    payload: BTreeMap<Arch, RawPayload>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPayload {
    source: RawSource,
    members: BTreeMap<MemberKind, MemberPath>,
    #[serde(default)]
    strip: bool,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("cannot read the revision manifest {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {}", path.display(), source.to_string().trim_end())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{}: `schema` is {found}, this program reads schema {}", path.display(), Manifest::SCHEMA)]
    Schema { path: PathBuf, found: u32 },
    #[error("{origin} `{value}` is no `https:` or `file:` URL that ends in `/`")]
    BaseUrl { origin: String, value: String },
    #[error("{}: no revision is named `default`", path.display())]
    NoDefault { path: PathBuf },
    #[error("{}: revision `{revision}` stands there twice", path.display())]
    Duplicate { path: PathBuf, revision: Revision },
    #[error("{}: revision `{revision}` has no `payload`", path.display())]
    NoPayload { path: PathBuf, revision: Revision },
    #[error("{}: revision `{revision}`, payload.{arch}: `members` lacks `envoy`", path.display())]
    NoEnvoy { path: PathBuf, revision: Revision, arch: Arch },
    #[error("{}: revision `{revision}`, payload.{arch}.source: {error}", path.display())]
    Source { path: PathBuf, revision: Revision, arch: Arch, error: SourceError },
}

impl Diagnose for ManifestError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => Some("name another file with --manifest".to_owned()),
            Self::Syntax { .. } => Some("mend that line; packaging/revisions.toml is an example".to_owned()),
            Self::Schema { .. } => {
                Some("take the Slipway that the manifest was written for, or rewrite it and its `schema`".to_owned())
            }
            Self::BaseUrl { .. } => Some("for example: https://mirror/istio/releases/".to_owned()),
            Self::Duplicate { .. } => Some("rename or remove one of the two".to_owned()),
            Self::NoDefault { .. } => {
                Some("the URIs without a revision serve `default`; name one revision so".to_owned())
            }
            Self::NoPayload { .. } => Some("add [revision.payload.amd64] with `source` and `members`".to_owned()),
            Self::NoEnvoy { .. } => Some("for example: members = { envoy = \"usr/local/bin/envoy\" }".to_owned()),
            Self::Source { error, .. } => error.hint(),
        }
    }
}

impl Manifest {
    const SCHEMA: u32 = 1;

    /// Reads and checks the file. `base_url` overrides the file's own.
    pub(crate) fn load(path: &Path, base_url: Option<&str>) -> Result<Self, ManifestError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text, base_url)
    }

    fn parse(path: &Path, text: &str, base_url: Option<&str>) -> Result<Self, ManifestError> {
        let owned = || path.to_owned();
        let syntax = |source| ManifestError::Syntax { path: owned(), source: Box::new(source) };
        let raw: RawManifest = toml::from_str(text).map_err(syntax)?;
        if raw.schema != Self::SCHEMA {
            return Err(ManifestError::Schema { path: owned(), found: raw.schema });
        }
        let base_url = match (base_url, raw.base_url) {
            (Some(flag), _) => Some(base("--base-url".to_owned(), flag.to_owned())?),
            (None, Some(field)) => Some(base(format!("{}: `base_url`", path.display()), field)?),
            (None, None) => None,
        };

        let mut names = BTreeSet::new();
        let mut revisions = Vec::new();
        for revision in raw.revision {
            if !names.insert(revision.name.clone()) {
                return Err(ManifestError::Duplicate { path: owned(), revision: revision.name });
            }
            revisions.push(check(path, revision, base_url.as_ref())?);
        }
        if !names.contains(&Revision::default_revision()) {
            return Err(ManifestError::NoDefault { path: owned() });
        }
        Ok(Self { path: owned(), max_glibc: raw.max_glibc, revisions })
    }

    /// The lock file that belongs to this manifest.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path.with_extension("lock")
    }

    /// What the operator should know before the packages are made.
    pub(crate) fn remarks(&self) -> Vec<String> {
        // Istio 1.19 was built from Envoy 1.27, and each release since from the next Envoy.
        let pairs = |istio: (u64, u64), envoy: (u64, u64)| istio.0 != 1 || envoy == (1, istio.1 + 8);
        self.revisions
            .iter()
            .filter(|revision| !pairs(revision.istio.minor(), revision.envoy.minor()))
            .map(|RevisionSpec { name, istio, envoy, .. }| {
                format!("revision `{name}`: Istio {istio} is built with Envoy 1.{}, not {envoy}", istio.minor().1 + 8)
            })
            .collect()
    }
}

fn base(origin: String, value: String) -> Result<Url, ManifestError> {
    match Url::parse(&value) {
        Ok(url) if matches!(url.scheme(), "https" | "file") && url.path().ends_with('/') => Ok(url),
        _ => Err(ManifestError::BaseUrl { origin, value }),
    }
}

fn check(path: &Path, raw: RawRevision, base_url: Option<&Url>) -> Result<RevisionSpec, ManifestError> {
    let RawRevision { name, istio, envoy, payload } = raw;
    let dir = path.parent().unwrap_or(Path::new(""));
    let mut payloads = BTreeMap::new();
    for (arch, RawPayload { source, members, strip }) in payload {
        let source = source.check(dir, base_url).map_err(|error| ManifestError::Source {
            path: path.to_owned(),
            revision: name.clone(),
            arch,
            error,
        })?;
        if !members.contains_key(&MemberKind::Envoy) {
            return Err(ManifestError::NoEnvoy { path: path.to_owned(), revision: name, arch });
        }
        payloads.insert(arch, PayloadSpec { source, members, strip });
    }
    if payloads.is_empty() {
        return Err(ManifestError::NoPayload { path: path.to_owned(), revision: name });
    }
    Ok(RevisionSpec { name, istio, envoy, payloads })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "schema = 1\nmax_glibc = '2.30'\n";

    fn revision(name: &str) -> String {
        format!(
            "[[revision]]\nname = '{name}'\nistio = '1.29.6'\nenvoy = '1.37.0'\n\
             [revision.payload.amd64]\nsource = {{ directory = 'x' }}\nmembers = {{ envoy = 'bin/envoy' }}\n"
        )
    }

    fn error(text: &str) -> String {
        let error = Manifest::parse(Path::new("r.toml"), text, None).expect_err(text);
        format!("{error} / {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn reads_the_manifests_that_ship() {
        let packaging = crate::workspace::Workspace::current().packaging();
        for (name, pilot_agent) in [("revisions.toml", false), ("revisions.istio.toml", true)] {
            let manifest = Manifest::load(&packaging.join(name), None).expect(name);
            assert_eq!(manifest.remarks(), [""; 0]);
            assert!(manifest.revisions.len() >= 3, "{name}");
            for revision in &manifest.revisions {
                assert_eq!(revision.payloads.len(), Arch::ALL.len(), "{name}");
                assert!(revision.payloads.values().all(|payload| payload.has_pilot_agent() == pilot_agent));
            }
        }
    }

    #[test]
    fn names_the_file_the_field_and_the_next_step() {
        let good = format!("{HEAD}{}", revision("default"));
        for (text, message) in [
            (String::from("schema = 1"), "missing field `max_glibc`"),
            (good.replace("schema = 1", "schema = 9"), "`schema` is 9"),
            (good.replace("istio =", "isito ="), "unknown field `isito`"),
            (good.replace("1.29.6", "latest"), "invalid version `latest`"),
            (good.replace("'default'", "'De_fault'"), "invalid revision name `De_fault`"),
            (good.replace("'default'", "'canary'"), "no revision is named `default`"),
            (format!("{good}{}", revision("default")), "revision `default` stands there twice"),
            (good.replace("envoy = 'bin/envoy'", ""), "`members` lacks `envoy`"),
            (good.replace("bin/envoy", "../envoy"), "../envoy"),
            (good.replace("envoy = 'bin/envoy'", "envoi = 'bin/envoy'"), "unknown variant `envoi`"),
            (good.replace("amd64", "x86_64"), "unknown architecture `x86_64`"),
            (good.replace("directory = 'x'", "url = 'http://h/x.deb'"), "payload.amd64.source: `http://h/x.deb`"),
            (good.replace("'2.30'", "'newest'"), "newest"),
            (format!("base_url = 'ftp://h'\n{good}"), "`base_url` `ftp://h`"),
        ] {
            let error = error(&text);
            assert!(error.contains("r.toml") && error.contains(message), "{text}\n{error}");
        }
    }

    #[test]
    fn remarks_on_an_envoy_that_istio_was_not_built_with() {
        let text = format!("{HEAD}{}", revision("default")).replace("1.37.0", "1.36.4");
        let manifest = Manifest::parse(Path::new("r.toml"), &text, None).expect("well formed");
        assert_eq!(manifest.remarks(), ["revision `default`: Istio 1.29.6 is built with Envoy 1.37, not 1.36.4"]);
    }
}
