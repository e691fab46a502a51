//! The changelog that Debian wants in every package, Debian policy 12.7.

use std::{io::Write, path::Path};

use artifact::Component;
use flate2::{Compression, GzBuilder};
use fs_err as fs;
use payload_splice::{BlockCache, Level};

use super::{PackageError, ReadyFile};
use crate::{failure::FileContext, payload::hash_file, stamp::Stamp};

/// Where a component's package has it.
fn install_path(component: Component) -> &'static str {
    match component {
        Component::OnboardingAgent => "/usr/share/doc/onboarding-agent/changelog.Debian.gz",
        Component::IstioSidecar => "/usr/share/doc/istio-sidecar/changelog.Debian.gz",
    }
}

/// The file with its place, written to `scratch`.
pub(super) fn make(
    component: Component,
    stamp: &Stamp,
    blocks: &BlockCache,
    level: Level,
    scratch: &Path,
) -> Result<ReadyFile, PackageError> {
    let source = scratch.join("changelog.gz");
    let file = fs::File::create(&source).while_("write a changelog")?;
    // No name and no time in the gzip header: the same text gives the same bytes.
    let mut gzip = GzBuilder::new().write(file, Compression::best());
    gzip.write_all(text(component, stamp).as_bytes())
        .and_then(|()| gzip.finish().map(drop))
        .while_("write a changelog")?;
    let (_, sha256) = hash_file(&source).while_("read a changelog")?;
    let compressed = blocks.compress(&source, sha256, level, std::num::NonZeroUsize::MIN, &|_| {})?;
    Ok(ReadyFile { install_path: install_path(component), mode: 0o644, source, compressed })
}

/// In the format of deb-changelog(5).
fn text(component: Component, stamp: &Stamp) -> String {
    let version = stamp.version.debian();
    format!(
        "{component} ({version}) stable; urgency=medium\n\n  * Release {version}.\n\n -- {maintainer}  {date}\n",
        maintainer = env!("CARGO_PKG_AUTHORS"),
        date = stamp.time.rfc5322(),
    )
}
