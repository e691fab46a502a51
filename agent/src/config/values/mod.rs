//! The values of both files as types that cannot be wrong.

mod duration;
mod host;
mod interface_pattern;
mod kubernetes;
mod port;

pub use duration::{DurationError, WaitTime};
pub use host::{DnsName, Host, HostError, ServerName, ServerNameError};
pub use interface_pattern::{InterfacePattern, InterfacePatternError};
pub use kubernetes::{GroupName, LabelError, LabelKey, LabelValue, NameError, Namespace};
pub use port::{Port, PortError};

/// A choice without settings of its own: `{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct NoFields {}

/// Serializes a type by its `Display`.
macro_rules! serialize_text {
    ($($type:ty),+) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

use serialize_text;
