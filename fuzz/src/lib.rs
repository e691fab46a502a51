//! What the fuzz targets try, and what they compare it with: models that are slow, simple, and written from the RFC rather
//! than from the code.

// The server's own sources, without all that it serves with: that would be minutes of compiling, for nothing that is tried
// here.
#[path = "../../repo-server/src/catalog/mod.rs"]
pub mod catalog;
#[path = "../../repo-server/src/http/mod.rs"]
pub mod http;

pub mod model;
