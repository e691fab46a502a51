//! The Workload Onboarding Agent.
//!
//! This version reads and checks the agent's two configuration files. Joining a mesh is not part of it.

pub mod check;
pub mod cli;
pub mod config;
