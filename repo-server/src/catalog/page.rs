//! The page for people: what is served, and the commands that install it. It needs no script.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use artifact::{Artifact, Component, InstallPath, PackageFormat, ReleaseTime, Revision, human_bytes};

use super::{Catalog, RELEASES};

/// The page's only style; its digest stands in the page's content security policy.
pub const STYLE: &str = include_str!("page.css");

/// The page at `/`. `endpoint` is the server as the reader reached it, such as `https://mirror:8443`.
#[must_use]
pub fn page(catalog: &Catalog, endpoint: &str) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = Page { catalog, endpoint: &escaped(endpoint) }.write(&mut html);
    html
}

struct Page<'a> {
    catalog: &'a Catalog,
    endpoint: &'a str,
}

impl Page<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        // Without an icon of its own, browsers would ask for /favicon.ico.
        let release = self.catalog.current();
        let manifest = &release.manifest;
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>Packages for virtual machines</title>\n<link rel=\"icon\" href=\"data:,\">\n\
             <style>{STYLE}</style>\n</head>\n<body>\n<header>\n\
             <h1>Packages for virtual machines</h1>\n\
             <p>What a virtual machine needs to join the Istio service mesh: download, check, install. \
             One click selects a whole command or digest.</p>\n\
             <p class=\"soft\">Release {} \u{b7} version <code>{}</code> \u{b7} published {} \u{b7} \
             <a href=\"install/\">all files</a></p>\n</header>\n<main>\n",
            release.id,
            escaped(&manifest.version),
            Moment(release.modified),
        )?;

        let (mut agents, mut sidecars) = (Vec::new(), BTreeMap::<&Revision, Vec<&Artifact>>::new());
        for artifact in &manifest.artifacts {
            match (&artifact.revision, artifact.component) {
                (_, Component::OnboardingAgent) => agents.push(artifact),
                // The default revision stands at two paths: the documented one without a revision is shown.
                (Some(revision), Component::IstioSidecar) => {
                    let packages = sidecars.entry(revision).or_default();
                    let is_short = !artifact.path.to_string().starts_with("/install/istio-sidecar/");
                    if !revision.is_default() || is_short {
                        packages.push(artifact);
                    }
                }
                (None, Component::IstioSidecar) => {}
            }
        }
        if !agents.is_empty() {
            out.push_str("<section>\n<h2>Workload Onboarding Agent</h2>\n");
            self.packages(out, &agents)?;
            out.push_str("</section>\n");
        }
        if !sidecars.is_empty() {
            out.push_str("<section>\n<h2>Istio sidecar</h2>\n<p>Take the revision that your mesh operator names; without one, <code>default</code>. Installing another revision's package switches to it.</p>\n");
        }
        let mut ordered: Vec<_> = sidecars.iter().filter(|(_, packages)| !packages.is_empty()).collect();
        ordered.sort_by_key(|(revision, _)| (!revision.is_default(), *revision));
        for (revision, packages) in ordered {
            self.revision(out, revision, packages)?;
        }
        if !sidecars.is_empty() {
            out.push_str("</section>\n");
        }

        out.push_str("<section>\n<h2>Releases</h2>\n<p>The addresses above always lead to the current release. Each release also has addresses of its own, which never change:</p>\n<ul>\n");
        for release in self.catalog.releases() {
            writeln!(
                out,
                "<li><a href=\"{}{}/install/\">{}</a> \u{b7} <code>{}</code> \u{b7} {}</li>",
                &RELEASES[1..],
                release.id,
                release.id,
                escaped(&release.manifest.version),
                Moment(release.modified)
            )?;
        }
        out.push_str("</ul>\n</section>\n</main>\n</body>\n</html>\n");
        Ok(())
    }

    fn revision(&self, out: &mut String, revision: &Revision, packages: &[&Artifact]) -> fmt::Result {
        let open = if revision.is_default() { " open" } else { "" };
        write!(out, "<details{open}>\n<summary><strong>Revision {revision}</strong>")?;
        if let Some(payload) = packages.iter().find_map(|artifact| artifact.payload.as_ref()) {
            write!(out, " <span class=\"soft\">Istio {} \u{b7} Envoy {}", payload.istio, payload.envoy)?;
            if !payload.pilot_agent {
                out.push_str(" \u{b7} without pilot-agent");
            }
            out.push_str("</span>");
        }
        out.push_str("</summary>\n");
        self.packages(out, packages)?;
        out.push_str("</details>\n");
        Ok(())
    }

    fn packages(&self, out: &mut String, artifacts: &[&Artifact]) -> fmt::Result {
        out.push_str("<div class=\"packages\">\n");
        for artifact in artifacts {
            let InstallPath::Package(_) = &artifact.path else { continue };
            write!(
                out,
                "<article>\n<div>\n<h3>{} \u{b7} {}</h3>\n<dl>\n\
                 <dt>File</dt><dd><a href=\"{}\">{}</a> <span class=\"soft\">{}</span></dd>\n\
                 <dt>Version</dt><dd><code>{}</code></dd>\n\
                 <dt>SHA-256</dt><dd><code>{}</code></dd>\n</dl>\n</div>\n<pre>",
                artifact.format.to_string().to_uppercase(),
                artifact.arch,
                &artifact.path.to_string()[1..],
                artifact.path.file_name(),
                human_bytes(artifact.size),
                escaped(&artifact.version),
                artifact.sha256,
            )?;
            for command in self.commands(artifact) {
                writeln!(out, "<code>{command}</code>")?;
            }
            out.push_str("</pre>\n</article>\n");
        }
        out.push_str("</div>\n");
        Ok(())
    }

    /// The documented commands, word for word. Each is copied by itself: nobody installs what was not checked because it was
    /// all pasted at once.
    fn commands(&self, artifact: &Artifact) -> [String; 4] {
        let (endpoint, path, name) = (self.endpoint, &artifact.path, artifact.path.file_name());
        let install = match artifact.format {
            PackageFormat::Deb => "sudo apt-get install -y",
            PackageFormat::Rpm => "sudo yum install -y",
        };
        [
            format!("curl -fLO \"{endpoint}{path}\""),
            format!("curl -fLO \"{endpoint}{path}.sha256\""),
            format!("sha256sum --check {name}.sha256"),
            format!("{install} ./{name}"),
        ]
    }
}

/// A time for people, and for programs.
struct Moment(ReleaseTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0.to_string();
        let people = exact.replacen('T', " ", 1).replacen('Z', " UTC", 1);
        write!(f, "<time datetime=\"{exact}\">{people}</time>")
    }
}

/// For text and for attribute values.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
        escaped
    })
}
