//! The page for people: what is served, and the commands that install it. It needs no script.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use artifact::{Artifact, Component, InstallPath, PackageFormat, Revision};

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
        let release = self.catalog.current();
        let manifest = &release.manifest;
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Packages for virtual machines</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <h1>Packages for virtual machines</h1>\n\
             <p>What a virtual machine needs to join the Istio service mesh. Download, check, install.</p>\n\
             <p class=\"soft\">Release {} \u{b7} version <code>{}</code> \u{b7} published {} \u{b7} \
             <a href=\"install/\">all files</a></p>\n",
            release.id,
            escaped(&manifest.version),
            release.modified,
        )?;

        let (mut agents, mut sidecars) = (Vec::new(), BTreeMap::<&Revision, Vec<&Artifact>>::new());
        for artifact in &manifest.artifacts {
            match (&artifact.revision, artifact.component) {
                (_, Component::OnboardingAgent) => agents.push(artifact),
                // The default revision stands at two paths: the documented one without a revision is shown.
                (Some(revision), Component::IstioSidecar) => {
                    let cards = sidecars.entry(revision).or_default();
                    let is_short = !artifact.path.to_string().starts_with("/install/istio-sidecar/");
                    if !revision.is_default() || is_short {
                        cards.push(artifact);
                    }
                }
                (None, Component::IstioSidecar) => {}
            }
        }
        if !agents.is_empty() {
            out.push_str("<h2>Workload Onboarding Agent</h2>\n");
            self.cards(out, &agents)?;
        }
        if !sidecars.is_empty() {
            out.push_str("<h2>Istio sidecar</h2>\n<p>Take the revision that your mesh operator names; without one, <code>default</code>. Installing another revision's package switches to it.</p>\n");
        }
        let mut ordered: Vec<_> = sidecars.into_iter().filter(|(_, cards)| !cards.is_empty()).collect();
        ordered.sort_by_key(|(revision, _)| (!revision.is_default(), *revision));
        for (revision, cards) in ordered {
            self.revision(out, revision, &cards)?;
        }

        out.push_str("<h2>Releases</h2>\n<p>The addresses above always lead to the current release. Each release also has addresses of its own, which never change:</p>\n<ul>\n");
        for release in self.catalog.releases() {
            writeln!(
                out,
                "<li><a href=\"{}{}/install/\">{}</a> \u{b7} <code>{}</code> \u{b7} {}</li>",
                &RELEASES[1..],
                release.id,
                release.id,
                escaped(&release.manifest.version),
                release.modified
            )?;
        }
        out.push_str("</ul>\n</body>\n</html>\n");
        Ok(())
    }

    fn revision(&self, out: &mut String, revision: &Revision, cards: &[&Artifact]) -> fmt::Result {
        let open = if revision.is_default() { " open" } else { "" };
        write!(out, "<details{open}>\n<summary>Revision {revision}")?;
        if let Some(payload) = cards.iter().find_map(|artifact| artifact.payload.as_ref()) {
            write!(out, ": Istio {}, Envoy {}", payload.istio, payload.envoy)?;
            if !payload.pilot_agent {
                out.push_str(", without pilot-agent");
            }
        }
        out.push_str("</summary>\n");
        self.cards(out, cards)?;
        out.push_str("</details>\n");
        Ok(())
    }

    fn cards(&self, out: &mut String, artifacts: &[&Artifact]) -> fmt::Result {
        out.push_str("<div class=\"grid\">\n");
        for artifact in artifacts {
            let InstallPath::Package(_) = &artifact.path else { continue };
            write!(
                out,
                "<article class=\"card\">\n<header><h4>{} \u{b7} {}</h4><span class=\"soft\">{:.1} MB</span></header>\n\
                 <dl><dt>Version</dt><dd><code>{}</code></dd><dt>SHA-256</dt><dd><code>{}</code></dd></dl>\n\
                 <pre>{}</pre>\n</article>\n",
                artifact.format.to_string().to_uppercase(),
                artifact.arch,
                megabytes(artifact.size),
                escaped(&artifact.version),
                artifact.sha256,
                self.commands(artifact),
            )?;
        }
        out.push_str("</div>\n");
        Ok(())
    }

    /// The documented commands, word for word.
    fn commands(&self, artifact: &Artifact) -> String {
        let (endpoint, path, name) = (self.endpoint, &artifact.path, artifact.path.file_name());
        let install = match artifact.format {
            PackageFormat::Deb => "sudo apt-get install -y",
            PackageFormat::Rpm => "sudo yum install -y",
        };
        format!(
            "curl -fLO \"{endpoint}{path}\"\ncurl -fLO \"{endpoint}{path}.sha256\"\nsha256sum --check {name}.sha256\n{install} ./{name}\n"
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
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
