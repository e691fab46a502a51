//! What the tests of several crates share: programs that are run, small disks, `repo-server` as a process, clients that send any bytes, dist trees and
//! certificates, and object stores with a proxy before them that does what networks do. No program uses it.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

pub mod client;
pub mod disk;
pub mod machine;
pub mod namespace;
pub mod pairs;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod release;
pub mod run;
pub mod server;
pub mod stores;
pub mod tree;
