//! The models.

pub mod condition;
pub mod range;
