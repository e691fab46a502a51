//! `cargo xtask publish`: a dist tree becomes the current release of a store.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use artifact::human_bytes;
use release_store::{
    Access, ConnectError, Outcome, PublishError, PublishOptions, Published, Store, StoreOptions, StoreUrl, Transfer,
    tree::TreeError,
};

use crate::{
    failure::{Diagnose, Failure},
    ui::{Progress, Ui},
};

/// What is published where.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) store: StoreUrl,
    pub(crate) access: StoreOptions,
    pub(crate) tree: PathBuf,
    pub(crate) publish: PublishOptions,
}

/// What came of it.
pub(crate) struct Report {
    store: StoreUrl,
    published: Published,
    time: Duration,
}

impl Diagnose for ConnectError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }
}

impl Diagnose for PublishError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoTree(TreeError::ReadManifest { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Some("make the tree first: cargo xtask dist".to_owned())
            }
            _ => Self::hint(self),
        }
    }
}

/// Publishes; what a killed run left behind is cleaned on the way.
pub(crate) fn run(options: &Options, ui: &Ui) -> Result<Report, Failure> {
    let start = Instant::now();
    ui.phase(&format!("publish {} to {}", options.tree.display(), options.store));
    let store = Store::open(&options.store, &options.access, Access::Write)?;
    let bar = Arc::new(Bar { ui: ui.clone(), progress: OnceLock::new() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system has threads and sockets");
    let published = runtime.block_on(store.publish(&options.tree, &options.publish, bar))?;
    Ok(Report { store: options.store.clone(), published, time: start.elapsed() })
}

/// One bar for all files.
struct Bar {
    ui: Ui,
    progress: OnceLock<Progress>,
}

impl release_store::Progress for Bar {
    fn begin(&self, bytes: u64) {
        self.progress.get_or_init(|| self.ui.bytes("packages", Some(bytes)));
    }

    fn advance(&self, bytes: u64) {
        if let Some(progress) = self.progress.get() {
            progress.add(bytes);
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Published { generation, outcome, uploaded, reused } = self.published;
        let what = match outcome {
            Outcome::Committed => "serves the tree",
            Outcome::Unchanged => "serves this very tree already",
        };
        let packages = |Transfer { blobs, bytes }| format!("{blobs} packages, {}", human_bytes(bytes));
        writeln!(
            f,
            "generation {generation} of {} {what}\nuploaded {}; {} were there; {:.1}s",
            self.store,
            packages(uploaded),
            packages(reused),
            self.time.as_secs_f64()
        )
    }
}
