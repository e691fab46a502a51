//! Measurements against other programs, side by side in one run.

mod dist;
mod measure;

pub(crate) use dist::run as dist;
