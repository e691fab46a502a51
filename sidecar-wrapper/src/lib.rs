//! The Istio sidecar's companion on a virtual machine, in the place of upstream's `istio-start.sh`.
//!
//! What people and `istioctl` wrote ([`env_file`], [`settings`]) is looked at ([`mod@check`]) and becomes one launch ([`launch`]). Before
//! each start the ports are looked at ([`preflight`]); a keeper holds the processes together ([`keep`]), what they print becomes
//! lines of a log ([`relay`]), and a table says what is done when ([`supervise`]). Others read how it is ([`status`]).

pub mod backoff;
pub mod check;
pub mod cli;
pub mod ending;
pub mod env_file;
mod failure;
pub mod file;
pub mod keep;
pub mod launch;
pub mod preflight;
pub mod relay;
pub mod root;
pub mod run;
pub mod settings;
mod shell;
pub mod signals;
pub mod status;
pub mod supervise;
mod text;
pub mod version;
