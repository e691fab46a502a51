use std::{
    fmt,
    path::{Path, PathBuf},
};

use reqwest::Url;
use serde::Deserialize;

use crate::failure::Diagnose;

/// Where a payload comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// An archive or a plain file over HTTPS.
    Https(Url),
    /// An archive or a plain file on this machine.
    File(PathBuf),
    /// A directory on this machine that holds the members.
    Directory(PathBuf),
    /// A wheel of a PyPI package, for the platform tag given.
    Pypi { package: String, version: String, platform: String },
}

/// `source` as the manifest writes it: one of three tables.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    url: Option<String>,
    directory: Option<PathBuf>,
    pypi: Option<String>,
    version: Option<String>,
    platform: Option<String>,
}

/// A `source` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("a source has exactly one of `url`, `directory` and `pypi`")]
    Kind,
    #[error("`{0}` goes with `pypi` only")]
    Stray(&'static str),
    #[error("a `pypi` source needs `{0}`")]
    Missing(&'static str),
    #[error("`{value}` is no {what}")]
    Name { what: &'static str, value: String },
    #[error("`{url}` is no URL and no `base_url` is set")]
    Relative { url: String },
    #[error("`{url}` is malformed")]
    Malformed { url: String, source: <Url as std::str::FromStr>::Err },
    #[error("`{url}`: only `https:` and `file:` are allowed")]
    Scheme { url: Url },
}

impl Diagnose for SourceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Kind => Some("for example: source = { url = \"https://mirror/istio-sidecar.deb\" }".to_owned()),
            Self::Missing("platform") => Some("for example: platform = \"manylinux_2_31_x86_64\"".to_owned()),
            Self::Relative { .. } => {
                Some("write a whole URL, or set `base_url` in the manifest or with --base-url".to_owned())
            }
            Self::Scheme { .. } => Some("`lock` would pin whatever arrived over an open connection".to_owned()),
            Self::Stray(_) => Some("remove it, or name a package with `pypi`".to_owned()),
            Self::Missing(_) => Some("for example: version = \"1.37.0\"".to_owned()),
            Self::Name { .. } => Some("letters, digits and `._-+!`, beginning with a letter or digit".to_owned()),
            Self::Malformed { .. } => Some("for example: https://mirror/istio-sidecar.deb".to_owned()),
        }
    }
}

impl RawSource {
    /// `dir` is the manifest's folder: paths are relative to it, as are URLs to `base_url`.
    pub(super) fn check(self, dir: &Path, base_url: Option<&Url>) -> Result<Source, SourceError> {
        if self.pypi.is_none() {
            for (name, value) in [("version", &self.version), ("platform", &self.platform)] {
                if value.is_some() {
                    return Err(SourceError::Stray(name));
                }
            }
        }
        match (self.url, self.directory, self.pypi) {
            (Some(url), None, None) => parse_url(url, dir, base_url),
            (None, Some(path), None) => Ok(Source::Directory(dir.join(path))),
            (None, None, Some(package)) => {
                let version = self.version.ok_or(SourceError::Missing("version"))?;
                let platform = self.platform.ok_or(SourceError::Missing("platform"))?;
                // They become arguments of pip, which must not take them for flags or URLs.
                for (what, value) in
                    [("PyPI package", &package), ("PyPI version", &version), ("platform tag", &platform)]
                {
                    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte);
                    if !value.bytes().all(plain)
                        || !value.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
                    {
                        return Err(SourceError::Name { what, value: value.clone() });
                    }
                }
                Ok(Source::Pypi { package, version, platform })
            }
            _ => Err(SourceError::Kind),
        }
    }
}

fn parse_url(text: String, dir: &Path, base_url: Option<&Url>) -> Result<Source, SourceError> {
    // `file:relative` is relative to the manifest; the URL standard has no such thing.
    if let Some(path) = text.strip_prefix("file:").filter(|rest| !rest.starts_with('/')) {
        return Ok(Source::File(dir.join(path)));
    }
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(_) if !text.contains("://") => {
            let base = base_url.ok_or_else(|| SourceError::Relative { url: text.clone() })?;
            base.join(&text).map_err(|source| SourceError::Malformed { url: text, source })?
        }
        Err(source) => return Err(SourceError::Malformed { url: text, source }),
    };
    match url.scheme() {
        "https" => Ok(Source::Https(url)),
        "file" => {
            let path = url.to_file_path().map_err(|()| SourceError::Scheme { url: url.clone() })?;
            Ok(Source::File(path))
        }
        _ => Err(SourceError::Scheme { url }),
    }
}

impl Source {
    /// The name that tells the archive's kind.
    pub(crate) fn file_name(&self) -> Option<String> {
        match self {
            Self::Https(url) => url.path_segments()?.next_back().filter(|name| !name.is_empty()).map(str::to_owned),
            Self::File(path) => Some(path.file_name()?.to_string_lossy().into_owned()),
            Self::Directory(_) | Self::Pypi { .. } => None,
        }
    }
}

impl Source {
    /// One line for `revisions.lock`: local paths are relative to the manifest's folder, so that a lock is the same in every
    /// checkout.
    pub(crate) fn relative_to(&self, manifest: &Path) -> String {
        let dir = manifest.parent().unwrap_or(Path::new(""));
        let relative = |path: &Path| path.strip_prefix(dir).unwrap_or(path).to_owned();
        match self {
            Self::File(path) => Self::File(relative(path)).to_string(),
            Self::Directory(path) => Self::Directory(relative(path)).to_string(),
            Self::Https(_) | Self::Pypi { .. } => self.to_string(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(url) => url.fmt(f),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Directory(path) => write!(f, "directory:{}", path.display()),
            Self::Pypi { package, version, platform } => write!(f, "pypi:{package}=={version} ({platform})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str, base: Option<&str>) -> Result<String, String> {
        let raw: RawSource = toml::from_str(toml).map_err(|error| error.to_string())?;
        let base = base.map(|base| base.parse().expect("a URL"));
        raw.check(Path::new("/m"), base.as_ref()).map(|source| source.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_every_kind_of_source() {
        for (toml, base, shown) in [
            ("url = 'https://h/a.deb'", None, "https://h/a.deb"),
            ("url = '1.30.3/deb/a.deb'", Some("https://h/releases/"), "https://h/releases/1.30.3/deb/a.deb"),
            ("url = 'a.deb'", Some("file:///srv/mirror/"), "file:/srv/mirror/a.deb"),
            ("url = 'file:///srv/a.deb'", None, "file:/srv/a.deb"),
            ("url = 'file:local/a.deb'", None, "file:/m/local/a.deb"),
            ("directory = 'out'", None, "directory:/m/out"),
            ("pypi = 'p'\nversion = '1.0'\nplatform = 'any'", None, "pypi:p==1.0 (any)"),
        ] {
            assert_eq!(check(toml, base).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn refuses_what_cannot_be_fetched_safely() {
        for (toml, message) in [
            ("url = 'http://h/a.deb'", "only `https:`"),
            ("url = 'a.deb'", "no `base_url` is set"),
            ("url = 'https://'", "malformed"),
            ("url = 'file:a'\ndirectory = 'b'", "exactly one of"),
            ("", "exactly one of"),
            ("url = 'file:a'\nversion = '1'", "goes with `pypi` only"),
            ("pypi = 'p'\nversion = '1'", "needs `platform`"),
            ("pypi = '--index-url=x'\nversion = '1'\nplatform = 'any'", "no PyPI package"),
            ("uri = 'https://h/a'", "unknown field `uri`"),
        ] {
            let error = check(toml, None).expect_err(toml);
            assert!(error.contains(message), "{toml}: {error}");
        }
    }
}
