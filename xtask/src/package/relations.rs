//! What a package says of itself to apt, dpkg, dnf and rpm: a pure function of target, stamp and payload.

use artifact::{Component, Revision};
use payload_intake::GlibcVersion;
use payload_splice::{
    deb::ControlEdit,
    rpm::{HeaderEdit, HeaderField},
};

use super::RevisionPayload;
use crate::{build::OWN_GLIBC_FLOOR, plan::Target, stamp::Stamp};

/// The identity of a package and its relations to others.
///
/// How switching between revisions with the documented commands works: apt replaces an installed package of the same
/// version if the new one's control data differ, and what it compares are the sizes and the relations, so `Conflicts` and
/// `Replaces` name the revision. dnf compares EVRs, so RPM's `Release` names it.
#[derive(Debug, Clone)]
pub(crate) struct Relations {
    pub(crate) component: Component,
    /// `Version` of a DEB.
    pub(crate) debian_version: String,
    /// RPM's `Version`.
    pub(crate) rpm_version: String,
    /// RPM's `Release`.
    pub(crate) rpm_release: String,
    /// Of all programs in the package.
    pub(crate) glibc: GlibcVersion,
    /// Versioned virtual names: `(name, version)`.
    pub(crate) provides: Vec<(String, String)>,
    /// The virtual name that only one installed package may have.
    pub(crate) exclusive: Option<String>,
    /// Further DEB fields.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// One line for people; `None` leaves what `Cargo.toml` says.
    pub(crate) summary: Option<String>,
}

/// The long text about a sidecar package.
const DESCRIPTION: &str = "Runs beside the workload on a virtual machine outside the cluster.";

impl Relations {
    pub(crate) fn new(stamp: &Stamp, target: &Target, payload: Option<&RevisionPayload>) -> Self {
        let own: GlibcVersion = OWN_GLIBC_FLOOR.parse().expect("a constant");
        let version = &stamp.version;
        let mut relations = Self {
            component: target.component,
            debian_version: version.debian(),
            rpm_version: version.rpm_version().to_owned(),
            rpm_release: version.rpm_release(target.revision.as_ref()),
            glibc: own,
            provides: Vec::new(),
            exclusive: None,
            fields: Vec::new(),
            summary: None,
        };
        if let Some(payload) = payload {
            relations.add_payload(payload);
        }
        relations
    }

    fn add_payload(&mut self, payload: &RevisionPayload) {
        let info = &payload.info;
        if let Some(floor) = payload.glibc_floor {
            self.glibc = self.glibc.max(floor);
        }
        let virtual_revision = virtual_revision(&info.revision);
        self.provides = vec![
            (virtual_revision.clone(), String::new()),
            ("istio-sidecar-istio".to_owned(), info.istio.package()),
            ("istio-sidecar-envoy".to_owned(), info.envoy.package()),
        ];
        self.exclusive = Some(virtual_revision);
        let pilot_agent = if info.pilot_agent { "with pilot-agent" } else { "without pilot-agent" };
        self.fields = vec![
            ("Istio-Revision", info.revision.to_string()),
            ("Istio-Version", info.istio.to_string()),
            ("Envoy-Version", info.envoy.to_string()),
            ("Istio-Pilot-Agent", if info.pilot_agent { "yes" } else { "no" }.to_owned()),
        ];
        self.summary = Some(format!(
            "Istio {} sidecar of revision {} (Envoy {}, {pilot_agent})",
            info.istio, info.revision, info.envoy
        ));
    }

    /// The changes to the control file that cargo-deb made.
    pub(crate) fn debian_edit(&self) -> ControlEdit {
        let mut fields = vec![("Version", self.debian_version.clone()), ("Depends", self.debian_depends())];
        if let Some(name) = &self.exclusive {
            fields.extend([
                ("Provides", self.debian_provides()),
                ("Conflicts", name.clone()),
                ("Replaces", name.clone()),
            ]);
        }
        fields.extend(self.fields.iter().cloned());
        if let Some(summary) = &self.summary {
            fields.push(("Description", format!("{summary}\n {DESCRIPTION}")));
        }
        fields.iter().fold(ControlEdit::new(), |edit, (field, value)| {
            edit.set(field, value).expect("versions and names are single words")
        })
    }

    /// The header fields that cargo-generate-rpm has no setting for.
    pub(crate) fn header_edit(&self) -> HeaderEdit {
        let maintainer = env!("CARGO_PKG_AUTHORS");
        let mut fields = vec![(HeaderField::Packager, maintainer), (HeaderField::Group, "System Environment/Daemons")];
        if self.summary.is_some() {
            fields.push((HeaderField::Description, DESCRIPTION));
        }
        fields.iter().fold(HeaderEdit::new(), |edit, (field, value)| edit.set(*field, value).expect("a constant"))
    }

    pub(crate) fn debian_depends(&self) -> String {
        format!("libc6 (>= {})", self.glibc)
    }

    pub(crate) fn debian_provides(&self) -> String {
        let provide = |(name, version): &(String, String)| match version.as_str() {
            "" => name.clone(),
            version => format!("{name} (= {version})"),
        };
        self.provides.iter().map(provide).collect::<Vec<_>>().join(", ")
    }

    /// The symbol version that rpm's own dependency generator would require.
    pub(crate) fn rpm_requires(&self) -> String {
        format!("libc.so.6(GLIBC_{})(64bit)", self.glibc)
    }
}

fn virtual_revision(revision: &Revision) -> String {
    format!("istio-sidecar-revision-{revision}")
}
