//! Finds every problem before any work starts, each with the command that mends it.

use artifact::PackageFormat;

use crate::{
    failure::Diagnose,
    plan::Plan,
    revisions::{Lock, LockedPayload, Manifest, RevisionSpec},
    setup::Need,
    tools::Tools,
};

/// Something that would stop the work later.
#[derive(Debug)]
pub(crate) struct Problem {
    what: String,
    mend: Option<String>,
}

/// All that stands in the way.
#[derive(Debug)]
pub(crate) struct PreflightError {
    problems: Vec<Problem>,
    /// What mends several of them at once.
    hints: Vec<String>,
}

impl std::error::Error for PreflightError {}

impl std::fmt::Display for PreflightError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.problems.len();
        write!(f, "{count} problem{} before anything was done", if count == 1 { "" } else { "s" })?;
        for Problem { what, mend } in &self.problems {
            write!(f, "\n  - {what}")?;
            if let Some(mend) = mend {
                write!(f, "\n      {mend}")?;
            }
        }
        Ok(())
    }
}

impl Diagnose for PreflightError {
    fn hint(&self) -> Option<String> {
        Some(self.hints.join("; "))
    }
}

const SETUP_HINT: &str = "install all that is missing with: cargo xtask setup, or add --setup";

/// The tools that a plan needs.
pub(crate) fn needs(plan: &Plan, manifest: &Manifest) -> Vec<Need> {
    let mut needs = Need::for_building(&plan.arches(), plan.has_format(PackageFormat::Rpm));
    let stripped = plan
        .payloads()
        .into_iter()
        .filter(|(revision, arch)| {
            let spec = manifest.revisions.iter().find(|spec| spec.name == *revision);
            spec.and_then(|spec| spec.payloads.get(arch)).is_some_and(|payload| payload.strip)
        })
        .map(|(_, arch)| Need::for_stripping(arch));
    for need in stripped {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    needs
}

/// Reports all tools that are missing.
pub(crate) fn check_needs(needs: &[Need], tools: &Tools) -> Result<(), PreflightError> {
    let problems = missing(needs, tools);
    if problems.is_empty() { Ok(()) } else { Err(PreflightError { problems, hints: vec![SETUP_HINT.to_owned()] }) }
}

fn missing(needs: &[Need], tools: &Tools) -> Vec<Problem> {
    needs
        .iter()
        .filter(|need| !need.is_met(tools))
        .map(|need| Problem { what: need.describe(), mend: Some(need.mend(tools)) })
        .collect()
}

/// A payload of the plan with its pin.
#[derive(Debug)]
pub(crate) struct Pinned<'a> {
    pub(crate) spec: &'a RevisionSpec,
    pub(crate) locked: &'a LockedPayload,
}

/// Checks tools and pins; gives the pins of all payloads of the plan.
pub(crate) fn check<'a>(
    plan: &Plan,
    manifest: &'a Manifest,
    lock: &'a Lock,
    tools: &Tools,
) -> Result<Vec<Pinned<'a>>, PreflightError> {
    let mut problems = missing(&needs(plan, manifest), tools);
    let mut hints = Vec::new();
    if !problems.is_empty() {
        hints.push(SETUP_HINT.to_owned());
    }
    // One command pins all payloads.
    let mut lock_hint = None;
    let mut pinned = Vec::new();
    for (revision, arch) in plan.payloads() {
        let spec = manifest.revisions.iter().find(|spec| spec.name == revision).expect("planned from this manifest");
        match lock.payload(manifest, &revision, arch, &spec.payloads[&arch]) {
            Ok(locked) => pinned.push(Pinned { spec, locked }),
            Err(error) => {
                lock_hint = error.hint();
                problems.push(Problem { what: error.to_string(), mend: None });
            }
        }
    }
    hints.extend(lock_hint);
    if problems.is_empty() { Ok(pinned) } else { Err(PreflightError { problems, hints }) }
}
