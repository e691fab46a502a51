use crate::{ReleaseTime, Revision, UpstreamVersion};

/// The number of a packaging of the same version: Debian's revision, and the first part of RPM's `Release`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageRelease(u32);

impl PackageRelease {
    /// The first packaging. A later dist has a later version, so there is never a second one.
    pub const FIRST: Self = Self(1);
}

/// The version that all packages of one dist share.
///
/// `<product version>+<time>`: two dists of one product version differ in time, so that the later one is an upgrade even
/// when only a payload changed. A pre-release gets `~`, which sorts below its release in dpkg and in rpm.
///
/// The epoch is 1, since Istio's own packages have the same name and are versioned like Istio (1.30.3): without it, theirs
/// would count as newer than ours for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageVersion {
    upstream: String,
    release: PackageRelease,
}

impl PackageVersion {
    /// See the type's documentation.
    pub const EPOCH: u32 = 1;

    /// The version of a dist of `product` that carries `time`. One from a work tree with uncommitted changes (`dirty`) sorts
    /// above its commit and below the next.
    #[must_use]
    pub fn new(product: &UpstreamVersion, time: ReleaseTime, dirty: bool) -> Self {
        // A build part of the product's own would be a second `+`; both tools accept that.
        let mut upstream = format!("{}+{}", product.package(), time.version_part());
        if dirty {
            upstream.push_str(".dirty");
        }
        Self { upstream, release: PackageRelease::FIRST }
    }

    /// The `Version` field of a DEB: `epoch:upstream-revision`, the same for all Istio revisions, because apt refuses a
    /// lower version but replaces an equal one whose control data differ.
    #[must_use]
    pub fn debian(&self) -> String {
        format!("{}:{}-{}", Self::EPOCH, self.upstream, self.release.0)
    }

    /// RPM's `Version` tag.
    #[must_use]
    pub fn rpm_version(&self) -> &str {
        &self.upstream
    }

    /// RPM's `Release` tag. It names the Istio revision, because dnf replaces a package in either direction only if the
    /// EVR differs.
    #[must_use]
    pub fn rpm_release(&self, revision: Option<&Revision>) -> String {
        let number = self.release.0;
        revision.map_or_else(|| number.to_string(), |revision| format!("{number}.{}", revision.rpm_release_suffix()))
    }

    /// RPM's `epoch:version-release`.
    #[must_use]
    pub fn rpm_evr(&self, revision: Option<&Revision>) -> String {
        format!("{}:{}-{}", Self::EPOCH, self.upstream, self.rpm_release(revision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(product: &str, seconds: u32) -> PackageVersion {
        PackageVersion::new(&product.parse().expect(product), ReleaseTime::from_unix(seconds), false)
    }

    #[test]
    fn names_the_revision_in_the_rpm_release_only() {
        let version = version("0.2.0-rc.1", 1_764_000_000);
        let revision = Revision::new("1-29").expect("valid");
        assert_eq!(version.debian(), "1:0.2.0~rc.1+20251124160000-1");
        assert_eq!(version.rpm_evr(None), "1:0.2.0~rc.1+20251124160000-1");
        assert_eq!(version.rpm_evr(Some(&revision)), "1:0.2.0~rc.1+20251124160000-1.1_29");
    }
}
