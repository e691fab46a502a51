//! HTTP semantics as pure functions: RFC 9110.

mod condition;
mod range;

pub use condition::{Validators, Verdict, evaluate};
pub use range::{Asked, ByteRange, MAX_PARTS, parse};
