//! Releases in an object store: blobs named by their digest, and numbered generations that are created once.
//!
//! ```text
//! blobs/sha256/<2 hex>/<64 hex>     immutable; compared with its name while it is written
//! generations/<20 digits>.json      immutable; its creation is the one commit point of a publish
//! heads/current                     a hint at the newest generation; may be stale
//! leases/<publish id>.json          what a running publish relies on, or a collection is about to delete
//! probe/<id>                        short-lived questions to the store
//! ```
//!
//! A server follows a store so: [`Store::latest`] every few seconds, [`Store::generation`] and [`Store::validate`] for a
//! new one, then [`Store::open_blob`] for each request. Writers are [`Store::publish`], [`Store::rollback`] and
//! [`Store::gc`]; all may run at the same time, on any number of machines.

mod backend;
mod blob;
mod digest;
mod gc;
mod generation;
mod ids;
mod layout;
mod lease;
mod options;
mod probe;
mod publish;
mod rollback;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tree;
mod url;
mod verify;

pub use self::{
    backend::{Access, BackendError, ByteStream, ConnectError, StoreError},
    blob::{Blob, BlobBody},
    gc::{GcMode, GcOptions, GcReport},
    generation::{Action, GENERATION_SCHEMA, Generation, GenerationError},
    ids::{GenerationNumber, GenerationNumberError, PublishId, PublishIdError},
    options::{Endpoint, EndpointError, StoreOptions},
    probe::{ProbeError, Writers},
    publish::{
        CommitError, Conflict, Conflicts, Existing, Outcome, Progress, PublishError, PublishOptions, Published,
        Transfer,
    },
    rollback::RolledBack,
    store::{BlobProblem, ReadError, Servable, Store, ValidateError},
    url::{StoreUrl, StoreUrlError},
    verify::{BlobFault, StoreFault, StoreReport, Use},
};
