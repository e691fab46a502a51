//! The Istio sidecar's companion on a virtual machine.
//!
//! This version reads: the settings that `istioctl` and people write for a sidecar ([`env_file`], [`settings`]), the
//! files that joining a mesh needs ([`mod@check`]), and what the installed package holds ([`version`]). It runs Envoy ([`mod@run`]).

pub mod check;
pub mod cli;
pub mod env_file;
mod failure;
pub mod file;
pub mod launch;
pub mod root;
pub mod run;
pub mod settings;
pub mod version;
