//! The mesh operator's files: `revisions.toml`, written by hand, and `revisions.lock`, written by `cargo xtask lock`.

mod lock;
mod manifest;
mod member;
mod source;

pub(crate) use lock::{Lock, LockedArchive, LockedMember, LockedPayload};
pub(crate) use manifest::{Manifest, PayloadSpec, RevisionSpec};
pub(crate) use member::MemberKind;
pub(crate) use source::Source;
use source::SourceError;
