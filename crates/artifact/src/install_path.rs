use std::{fmt, str::FromStr};

use crate::{Arch, Component, PackageFormat, Revision, serde_text::serde_text};

/// The places below `/install/` that hold packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageSlot {
    /// `/install/{deb,rpm}/{amd64,arm64}/onboarding-agent.*`
    Agent,
    /// `/install/{deb,rpm}/{amd64,arm64}/istio-sidecar.*`: the revision named `default`.
    DefaultSidecar,
    /// `/install/istio-sidecar/<revision>/{deb,rpm}/{amd64,arm64}/istio-sidecar.*`
    RevisionedSidecar(Revision),
}

impl PackageSlot {
    /// Which component stands here.
    #[must_use]
    pub const fn component(&self) -> Component {
        match self {
            Self::Agent => Component::OnboardingAgent,
            Self::DefaultSidecar | Self::RevisionedSidecar(_) => Component::IstioSidecar,
        }
    }
}

/// A package as the install URIs name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package {
    /// Component and, for a sidecar, revision.
    pub slot: PackageSlot,
    /// DEB or RPM.
    pub format: PackageFormat,
    /// The machine that it runs on.
    pub arch: Arch,
}

impl Package {
    /// The name that `curl -O` saves it under.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.slot.component(), self.format)
    }
}

/// A file below `/install/`: the only maker and reader of these paths.
///
/// `Display` gives the URI's path, `FromStr` accepts exactly what `Display` gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstallPath {
    /// The package itself.
    Package(Package),
    /// Its `.sha256` file.
    Checksum(Package),
}

impl InstallPath {
    const ROOT: &'static str = "/install/";
    const REVISIONS: &'static str = "istio-sidecar/";
    /// What the path of a checksum file has more than its package's.
    pub const CHECKSUM_SUFFIX: &'static str = ".sha256";

    /// The package that the file is or belongs to.
    #[must_use]
    pub const fn package(&self) -> &Package {
        match self {
            Self::Package(package) | Self::Checksum(package) => package,
        }
    }

    /// The last part of the path.
    #[must_use]
    pub fn file_name(&self) -> String {
        match self {
            Self::Package(package) => package.file_name(),
            Self::Checksum(package) => package.file_name() + Self::CHECKSUM_SUFFIX,
        }
    }

    /// The path relative to the folder that `/` is served from, such as `install/deb/amd64/istio-sidecar.deb`.
    #[must_use]
    pub fn relative(&self) -> String {
        self.to_string().split_off(1)
    }
}

impl fmt::Display for InstallPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Package { slot, format, arch } = self.package();
        f.write_str(Self::ROOT)?;
        if let PackageSlot::RevisionedSidecar(revision) = slot {
            write!(f, "{}{revision}/", Self::REVISIONS)?;
        }
        write!(f, "{format}/{arch}/{}", self.file_name())
    }
}

/// Text that is no [`InstallPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no install path, such as /install/deb/amd64/onboarding-agent.deb")]
pub struct InstallPathError(String);

impl FromStr for InstallPath {
    type Err = InstallPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| InstallPathError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<InstallPath> {
    let rest = text.strip_prefix(InstallPath::ROOT)?;
    let (revision, rest) = match rest.strip_prefix(InstallPath::REVISIONS) {
        Some(rest) => {
            let (revision, rest) = rest.split_once('/')?;
            (Some(Revision::new(revision).ok()?), rest)
        }
        None => (None, rest),
    };
    let (format, rest) = rest.split_once('/')?;
    let (arch, file_name) = rest.split_once('/')?;
    let (format, arch) = (format.parse().ok()?, arch.parse().ok()?);
    let (package_file, checksum) = match file_name.strip_suffix(InstallPath::CHECKSUM_SUFFIX) {
        Some(package_file) => (package_file, true),
        None => (file_name, false),
    };
    let slots = match revision {
        Some(revision) => vec![PackageSlot::RevisionedSidecar(revision)],
        None => vec![PackageSlot::Agent, PackageSlot::DefaultSidecar],
    };
    let package = slots
        .into_iter()
        .map(|slot| Package { slot, format, arch })
        .find(|package| package.file_name() == package_file)?;
    Some(if checksum { InstallPath::Checksum(package) } else { InstallPath::Package(package) })
}

serde_text!(InstallPath);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::select};

    fn packages() -> impl Strategy<Value = Package> {
        let slots = prop_oneof![
            Just(PackageSlot::Agent),
            Just(PackageSlot::DefaultSidecar),
            "[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?"
                .prop_map(|name| PackageSlot::RevisionedSidecar(Revision::new(&name).expect("by construction"))),
        ];
        (slots, select(&PackageFormat::ALL[..]), select(&Arch::ALL[..])).prop_map(|(slot, format, arch)| Package {
            slot,
            format,
            arch,
        })
    }

    proptest! {
        #[test]
        fn text_round_trips(package in packages(), checksum: bool) {
            let path = if checksum { InstallPath::Checksum(package) } else { InstallPath::Package(package) };
            prop_assert_eq!(path.to_string().parse::<InstallPath>(), Ok(path));
        }

        #[test]
        fn what_parses_is_the_canonical_form(text in "(/install/)?[a-z0-9./-]{0,60}(\\.deb|\\.rpm)?(\\.sha256)?") {
            if let Ok(path) = text.parse::<InstallPath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }

    #[test]
    fn reads_the_documented_uris() {
        for uri in [
            "/install/deb/amd64/onboarding-agent.deb",
            "/install/deb/amd64/onboarding-agent.deb.sha256",
            "/install/rpm/arm64/istio-sidecar.rpm",
            "/install/istio-sidecar/default/deb/arm64/istio-sidecar.deb.sha256",
            "/install/istio-sidecar/1-29/rpm/amd64/istio-sidecar.rpm",
        ] {
            assert_eq!(uri.parse::<InstallPath>().expect(uri).to_string(), uri);
        }
    }

    #[test]
    fn rejects_everything_else() {
        for path in [
            "",
            "/install/",
            "install/deb/amd64/onboarding-agent.deb",
            "/install//deb/amd64/onboarding-agent.deb",
            "/install/deb/x86_64/onboarding-agent.deb",
            "/install/deb/amd64/onboarding-agent.rpm",
            "/install/deb/amd64/onboarding-agent.deb.sha256.sha256",
            "/install/istio-sidecar/../deb/amd64/istio-sidecar.deb",
            "/install/istio-sidecar/1-29/deb/amd64/onboarding-agent.deb",
        ] {
            assert!(path.parse::<InstallPath>().is_err(), "{path}");
        }
    }
}
