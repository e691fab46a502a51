//! The releases of distributions that root file systems are made of.

use std::process::Command;

use crate::machine::run;

/// A release by its code name, for which mmdebstrap has the mirrors, those of updates as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian.
    Debian(&'static str),
    /// Ubuntu.
    Ubuntu(&'static str),
}

/// Debian 12 has no package with Ubuntu's key.
const UBUNTU_KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/keys");
const UBUNTU_KEY: &str = "ubuntu-archive-2018.asc";
/// As Canonical has it in chisel-releases, and as logs of Ubuntu's systems have it everywhere.
const UBUNTU_FINGERPRINT: &str = "F6ECB3762474EDA9D21B7022871920D1991BC93C";

impl Release {
    pub(crate) const DEBIAN_12: Self = Self::Debian("bookworm");

    pub(crate) const fn code_name(self) -> &'static str {
        match self {
            Self::Debian(name) | Self::Ubuntu(name) => name,
        }
    }

    /// `debian-bookworm`.
    pub(crate) fn full_name(self) -> String {
        let distribution = match self {
            Self::Debian(_) => "debian",
            Self::Ubuntu(_) => "ubuntu",
        };
        format!("{distribution}-{}", self.code_name())
    }

    /// The folder of keys that apt is to trust, in place of this system's.
    pub(crate) fn keys(self) -> Option<&'static str> {
        match self {
            Self::Debian(_) => None,
            Self::Ubuntu(_) => {
                assert_eq!(fingerprints(&format!("{UBUNTU_KEYS}/{UBUNTU_KEY}")), [UBUNTU_FINGERPRINT]);
                Some(UBUNTU_KEYS)
            }
        }
    }
}

/// Of all keys in a file.
fn fingerprints(file: &str) -> Vec<String> {
    let home = tempfile::tempdir().expect("a folder");
    let mut gpg = Command::new("gpg");
    gpg.arg("--homedir").arg(home.path()).args(["--quiet", "--batch", "--with-colons", "--show-keys", file]);
    let said = run(&mut gpg);
    let of_keys = said.lines().filter_map(|line| line.strip_prefix("fpr:"));
    of_keys.map(|fields| fields.trim_matches(':').to_owned()).collect()
}
