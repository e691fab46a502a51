//! Folders: as HTML that people and programs read, and as JSON.

use std::{collections::BTreeMap, fmt::Write as _};

use artifact::{ReleaseTime, Sha256Digest};
use serde::Serialize;

use super::{Catalog, RELEASES, Release};

/// What stands in a folder, ordered by name.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// With a slash at its end.
    pub path: String,
    /// Folders and files.
    pub entries: Vec<Entry>,
}

/// One line of a listing.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Entry {
    /// A folder.
    Directory {
        /// With a slash at its end, so that it is a relative link.
        name: String,
    },
    /// A file.
    File {
        /// As `curl -O` saves it.
        name: String,
        /// In bytes.
        size: u64,
        /// Of the package; absent for a checksum file.
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<Sha256Digest>,
        /// Of the package; absent for a checksum file.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// When the release was published.
        modified: ReleaseTime,
    },
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Directory { name } | Self::File { name, .. } => name,
        }
    }
}

impl Listing {
    /// The folder at `path`, which ends with a slash.
    #[must_use]
    pub fn of(catalog: &Catalog, path: &str) -> Option<Self> {
        let entries = if path == RELEASES {
            let names = catalog.releases().iter().map(|release| format!("{}/", release.id));
            names.map(|name| Entry::Directory { name }).collect()
        } else {
            let (release, inner) = catalog.in_release(path).unwrap_or((catalog.current(), path));
            in_release(release, inner)?
        };
        Some(Self { path: path.to_owned(), entries })
    }

    /// Like the listings of other servers: `<pre>` with one relative link a line.
    #[must_use]
    pub fn to_html(&self) -> String {
        // Paths are made of letters, digits, dots and dashes: nothing needs escaping.
        let Self { path, entries } = self;
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Index of {path}</title></head>\n\
             <body>\n<h1>Index of {path}</h1>\n<hr>\n<pre>\n<a href=\"../\">../</a>\n"
        );
        let width = entries.iter().map(|entry| entry.name().len()).max().unwrap_or(0);
        for entry in entries {
            let name = entry.name();
            let _ = write!(html, "<a href=\"{name}\">{name}</a>");
            if let Entry::File { size, modified, .. } = entry {
                let _ = write!(html, "{:padding$}  {modified}  {size:>10}", "", padding = width - name.len());
            }
            html.push('\n');
        }
        html.push_str("</pre>\n<hr>\n</body>\n</html>\n");
        html
    }

    /// The same as data.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("texts and numbers have a JSON form");
        json.push('\n');
        json
    }
}

fn in_release(release: &Release, folder: &str) -> Option<Vec<Entry>> {
    // The root of a release holds nothing but `install`.
    if !folder.ends_with('/') {
        return None;
    }
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for path in release.paths() {
        let Some(rest) = path.strip_prefix(folder) else { continue };
        let entry = match rest.split_once('/') {
            Some((name, _)) => Entry::Directory { name: format!("{name}/") },
            None => file(release, path, rest)?,
        };
        entries.insert(entry.name().to_owned(), entry);
    }
    if entries.is_empty() { None } else { Some(entries.into_values().collect()) }
}

fn file(release: &Release, path: &str, name: &str) -> Option<Entry> {
    let (resource, artifact) = (release.file(path)?, release.artifact(path)?);
    let is_package = artifact.path.to_string() == path;
    Some(Entry::File {
        name: name.to_owned(),
        size: resource.size,
        sha256: is_package.then_some(artifact.sha256),
        version: is_package.then(|| artifact.version.clone()),
        modified: release.modified,
    })
}
