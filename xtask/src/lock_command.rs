//! `cargo xtask lock`: resolves every source of a manifest and writes the lock beside it.

use std::{fmt::Write as _, num::NonZeroUsize};

use artifact::{ReleaseTime, human_bytes};

use crate::{
    failure::{FileContext, Outcome},
    files::write_whole,
    parallel::try_map,
    payload::{Fetcher, resolve},
    revisions::{Lock, Manifest, PayloadSpec},
    ui::Ui,
};

/// What `lock` found.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) lock: Lock,
    pub(crate) changed: bool,
}

impl Locked {
    /// One line for each member: what packages will hold, and what it needs.
    pub(crate) fn summary(&self, manifest: &Manifest) -> String {
        let mut text = String::new();
        for payload in &self.lock.payloads {
            for member in &payload.members {
                let glibc = member.glibc.as_ref().map_or_else(String::new, |glibc| format!(", glibc {glibc}"));
                let stripped = payload.stripped_by.as_ref().map_or("", |_| ", stripped");
                let _ = writeln!(
                    text,
                    "{} {} {}: {}{glibc}{stripped}, from {}",
                    payload.revision,
                    payload.arch,
                    member.name,
                    human_bytes(member.size),
                    payload.source
                );
            }
        }
        let without: Vec<_> = manifest
            .revisions
            .iter()
            .filter(|revision| !revision.payloads.values().all(PayloadSpec::has_pilot_agent))
            .map(|revision| revision.name.to_string())
            .collect();
        if !without.is_empty() {
            let _ = writeln!(text, "without pilot-agent: {}", without.join(", "));
        }
        let verb = if self.changed { "written" } else { "unchanged" };
        let _ = writeln!(text, "{} {verb}", manifest.lock_path().display());
        text
    }
}

/// Resolves all payloads and writes the lock file, if anything differs from what it says already.
pub(crate) fn run(manifest: &Manifest, fetcher: &Fetcher<'_>, jobs: NonZeroUsize, ui: &Ui) -> Outcome<Locked> {
    for remark in manifest.remarks() {
        ui.warning(&remark);
    }
    ui.phase("lock");
    let wanted: Vec<_> = manifest
        .revisions
        .iter()
        .flat_map(|revision| revision.payloads.iter().map(move |(arch, spec)| (&revision.name, *arch, spec)))
        .collect();
    let payloads = try_map(jobs, &wanted, |(revision, arch, spec)| resolve(fetcher, manifest, revision, *arch, spec))?;

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = ReleaseTime::from_unix(u32::try_from(now.as_secs()).unwrap_or(u32::MAX));
    let lock = Lock::new(now, payloads);
    match Lock::load(manifest) {
        // The time stands for a change of payloads; without one it stays, and so do the packages' versions.
        Ok(old) if old.payloads == lock.payloads => Ok(Locked { lock: old, changed: false }),
        _ => {
            write_whole(&manifest.lock_path(), &lock.to_toml()).while_("write the lock file")?;
            Ok(Locked { lock, changed: true })
        }
    }
}
