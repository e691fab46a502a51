//! Where a store can be.

use std::{
    cell::Cell,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use release_store::{
    Access, Conflicts, Existing, PublishError, PublishOptions, Published, Store, StoreOptions, StoreUrl, Writers,
    testing::Tree,
};
use tempfile::TempDir;

/// A kind of store, with room for any number of them.
pub(crate) struct Place {
    kind: Kind,
    made: Cell<usize>,
}

enum Kind {
    Memory,
    Local(TempDir),
    #[cfg(feature = "servers")]
    Server {
        url: String,
        options: Box<StoreOptions>,
    },
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self::of(Kind::Memory)
    }

    pub(crate) fn local() -> Self {
        Self::of(Kind::Local(tempfile::tempdir().expect("a folder")))
    }

    /// `url` is that of a bucket.
    #[cfg(feature = "servers")]
    pub(crate) fn server(url: &str, options: StoreOptions) -> Self {
        Self::of(Kind::Server { url: url.to_owned(), options: Box::new(options) })
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, made: Cell::new(0) }
    }

    /// A store that nobody wrote to yet.
    pub(crate) fn fresh(&self) -> Site {
        let number = self.made.replace(self.made.get() + 1);
        let (url, options) = match &self.kind {
            Kind::Memory => ("memory:".to_owned(), StoreOptions::default()),
            Kind::Local(dir) => (format!("file://{}/store-{number}", dir.path().display()), StoreOptions::default()),
            #[cfg(feature = "servers")]
            Kind::Server { url, options } => (format!("{url}/mesh/store-{number}"), (**options).clone()),
        };
        Site::new(&url, options)
    }
}

/// One store, as several programs see it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) url: StoreUrl,
    options: StoreOptions,
    first: Store,
}

impl Site {
    pub(crate) fn new(url: &str, options: StoreOptions) -> Self {
        let url: StoreUrl = url.parse().expect("a store URL");
        let first = Store::open(&url, &options, Access::Write).expect("it can be set up");
        Self { url, options, first }
    }

    /// As a program finds it that was just started.
    pub(crate) fn open(&self) -> Store {
        // Memory is shared by its clones only.
        if self.url.to_string() == "memory:" {
            return self.first.clone();
        }
        Store::open(&self.url, &self.options, Access::Read).expect("it is there")
    }

    /// The folder of a local one.
    pub(crate) fn dir(&self) -> PathBuf {
        Path::new(self.url.to_string().strip_prefix("file://").expect("it is local")).to_owned()
    }

    pub(crate) async fn publish(&self, tree: &Tree) -> Result<Published, PublishError> {
        self.publish_with(tree, &options()).await
    }

    pub(crate) async fn publish_with(&self, tree: &Tree, options: &PublishOptions) -> Result<Published, PublishError> {
        self.open().publish(tree.dir(), options, Arc::new(())).await
    }
}

pub(crate) fn options() -> PublishOptions {
    PublishOptions { jobs: jobs(), ..PublishOptions::default() }
}

pub(crate) fn forced() -> PublishOptions {
    PublishOptions { conflicts: Conflicts::Allow, ..options() }
}

pub(crate) fn rehashing() -> PublishOptions {
    PublishOptions { existing: Existing::Rehash, ..options() }
}

#[cfg_attr(not(feature = "servers"), expect(dead_code, reason = "only servers need it"))]
pub(crate) fn alone() -> PublishOptions {
    PublishOptions { writers: Writers::Single, ..options() }
}

pub(crate) const fn jobs() -> NonZeroUsize {
    NonZeroUsize::new(4).expect("not 0")
}

pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("threads and sockets").block_on(work)
}
