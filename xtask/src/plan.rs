//! Which packages a dist makes: a pure function of the manifest and the flags.

use std::{collections::BTreeSet, fmt};

use artifact::{Arch, Component, InstallPath, Package, PackageFormat, PackageSlot, Revision};

use crate::{failure::Diagnose, revisions::Manifest};

/// The flags that narrow a dist. An empty list means all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) revisions: Vec<Revision>,
    pub(crate) arches: Vec<Arch>,
    pub(crate) formats: Vec<PackageFormat>,
    pub(crate) components: Vec<Component>,
}

/// One package to make. It may stand at two install paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) component: Component,
    /// For a sidecar.
    pub(crate) revision: Option<Revision>,
    pub(crate) arch: Arch,
    pub(crate) format: PackageFormat,
}

impl Target {
    /// Where the package is served.
    pub(crate) fn install_paths(&self) -> Vec<InstallPath> {
        let slots = match &self.revision {
            None => vec![PackageSlot::Agent],
            Some(revision) if revision.is_default() => {
                vec![PackageSlot::DefaultSidecar, PackageSlot::RevisionedSidecar(revision.clone())]
            }
            Some(revision) => vec![PackageSlot::RevisionedSidecar(revision.clone())],
        };
        let (arch, format) = (self.arch, self.format);
        slots.into_iter().map(|slot| InstallPath::Package(Package { slot, format, arch })).collect()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, revision, arch, format } = self;
        match revision {
            Some(revision) => write!(f, "{component} {revision} {arch} {format}"),
            None => write!(f, "{component} {arch} {format}"),
        }
    }
}

/// All packages of a dist, in the order of its tables.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) targets: Vec<Target>,
}

/// Flags that no package answers to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("no revision `{revision}` in {manifest}")]
    UnknownRevision { revision: Revision, manifest: String, known: Vec<String> },
    #[error("the flags select no package")]
    Empty,
}

impl Diagnose for PlanError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownRevision { known, .. } => format!("the manifest has: {}", known.join(", ")),
            Self::Empty => {
                "--revision goes with the component istio-sidecar; see `--plan` without other flags".to_owned()
            }
        })
    }
}

impl Plan {
    pub(crate) fn new(manifest: &Manifest, selection: &Selection) -> Result<Self, PlanError> {
        for revision in &selection.revisions {
            if !manifest.revisions.iter().any(|known| known.name == *revision) {
                return Err(PlanError::UnknownRevision {
                    revision: revision.clone(),
                    manifest: manifest.path.display().to_string(),
                    known: manifest.revisions.iter().map(|known| known.name.to_string()).collect(),
                });
            }
        }
        let arches = chosen(&selection.arches, &Arch::ALL);
        let formats = chosen(&selection.formats, &PackageFormat::ALL);
        let components = chosen(&selection.components, &Component::ALL);
        let all: Vec<Revision> = manifest.revisions.iter().map(|spec| spec.name.clone()).collect();
        let revisions = chosen(&selection.revisions, &all);

        let mut targets = BTreeSet::new();
        for (&arch, &format) in arches.iter().flat_map(|arch| formats.iter().map(move |format| (arch, format))) {
            // `--revision` alone asks for sidecars alone.
            if components.contains(&Component::OnboardingAgent) && selection.revisions.is_empty() {
                targets.insert(Target { component: Component::OnboardingAgent, revision: None, arch, format });
            }
            if components.contains(&Component::IstioSidecar) {
                let offered = manifest
                    .revisions
                    .iter()
                    .filter(|spec| revisions.contains(&spec.name) && spec.payloads.contains_key(&arch));
                targets.extend(offered.map(|spec| Target {
                    component: Component::IstioSidecar,
                    revision: Some(spec.name.clone()),
                    arch,
                    format,
                }));
            }
        }
        if targets.is_empty() {
            return Err(PlanError::Empty);
        }
        Ok(Self { targets: targets.into_iter().collect() })
    }

    pub(crate) fn arches(&self) -> Vec<Arch> {
        Arch::ALL.into_iter().filter(|arch| self.targets.iter().any(|target| target.arch == *arch)).collect()
    }

    pub(crate) fn components(&self) -> Vec<Component> {
        let used = |component: &Component| self.targets.iter().any(|target| target.component == *component);
        Component::ALL.into_iter().filter(used).collect()
    }

    pub(crate) fn has_format(&self, format: PackageFormat) -> bool {
        self.targets.iter().any(|target| target.format == format)
    }

    /// Revision and architecture of each payload that goes into a package.
    pub(crate) fn payloads(&self) -> BTreeSet<(Revision, Arch)> {
        self.targets.iter().filter_map(|target| Some((target.revision.clone()?, target.arch))).collect()
    }
}

impl fmt::Display for Plan {
    /// One line for each install path: the path, then what makes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for target in &self.targets {
            for path in target.install_paths() {
                writeln!(f, "{path}\t{target}")?;
            }
        }
        Ok(())
    }
}

fn chosen<T: Clone>(wanted: &[T], all: &[T]) -> Vec<T> {
    if wanted.is_empty() { all.to_vec() } else { wanted.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn plan(selection: &Selection) -> Result<String, PlanError> {
        let manifest = Manifest::load(&Workspace::current().default_manifest(), None).expect("the shipped manifest");
        Plan::new(&manifest, selection).map(|plan| plan.to_string())
    }

    #[test]
    fn makes_every_package_of_the_shipped_manifest() {
        insta::assert_snapshot!(plan(&Selection::default()).expect("not empty"));
    }

    #[test]
    fn a_revision_selects_its_sidecars_alone() {
        let selection = Selection {
            revisions: vec![Revision::default_revision()],
            arches: vec![Arch::Arm64],
            formats: vec![PackageFormat::Rpm],
            ..Selection::default()
        };
        insta::assert_snapshot!(plan(&selection).expect("not empty"), @r"
        /install/rpm/arm64/istio-sidecar.rpm	istio-sidecar default arm64 rpm
        /install/istio-sidecar/default/rpm/arm64/istio-sidecar.rpm	istio-sidecar default arm64 rpm
        ");
    }

    #[test]
    fn an_unknown_revision_is_named_with_the_known_ones() {
        let selection = Selection { revisions: vec!["1-99".parse().expect("valid")], ..Selection::default() };
        let error = plan(&selection).expect_err("unknown");
        assert!(error.to_string().contains("`1-99`"), "{error}");
        assert_eq!(error.hint().as_deref(), Some("the manifest has: default, 1-28, 1-30"));
    }

    #[test]
    fn an_empty_plan_is_an_error() {
        let selection = Selection {
            revisions: vec![Revision::default_revision()],
            components: vec![Component::OnboardingAgent],
            ..Selection::default()
        };
        assert!(matches!(plan(&selection), Err(PlanError::Empty)));
    }
}
