//! Measurements against other programs, side by side in one run.

mod dist;
mod measure;
mod publish;
mod serve;
mod sidecar;

pub(crate) use dist::run as dist;
pub(crate) use publish::run as publish;
pub(crate) use serve::run as serve;
pub(crate) use sidecar::run as sidecar;
