//! The words of Slipway's domain, without I/O.
//!
//! Every architecture, revision, version, digest and install path in the workspace is one of these types, and each has
//! exactly one validator. Programs turn text into them at the edge and never look at the text again.

mod arch;
mod commit;
mod component;
mod digest;
mod format;
mod install_path;
mod istio_version;
mod manifest;
mod revision;
mod serde_text;
mod sidecar_info;
mod size;
mod time;
mod vercmp;
mod version;

pub use arch::{Arch, ArchError};
pub use commit::{CommitId, CommitIdError};
pub use component::{Component, ComponentError};
pub use digest::{DigestError, Sha256Digest};
pub use format::{FormatError, PackageFormat};
pub use install_path::{InstallPath, InstallPathError, Package, PackageSlot};
pub use istio_version::{UpstreamVersion, UpstreamVersionError};
pub use manifest::{Artifact, ManifestError, Payload, PayloadMember, ReleaseManifest, SCHEMA_VERSION, Source};
pub use revision::{Revision, RevisionError};
pub use sidecar_info::{SidecarInfo, SidecarInfoError};
pub use size::human_bytes;
pub use time::{ReleaseTime, ReleaseTimeError};
pub use vercmp::{cmp_debian, cmp_rpm};
pub use version::{PackageRelease, PackageVersion};
