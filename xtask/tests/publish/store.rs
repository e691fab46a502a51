use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Command,
};

use release_store::{Access, Servable, Store, StoreOptions, StoreReport, StoreUrl, testing::Tree};
use testkit::run::Run;

/// A local store, and those who use it.
pub(crate) struct LocalStore {
    pub(crate) dir: PathBuf,
}

pub(crate) fn xtask() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
}

impl LocalStore {
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.dir.display())
    }

    /// A publish that was not started yet.
    pub(crate) fn publishing(&self, tree: &Tree) -> Command {
        let mut command = xtask();
        command.args(["publish", "--store", &self.url(), "--from"]).arg(tree.dir());
        command
    }

    pub(crate) fn publish(&self, tree: &Tree) -> Run {
        Run::of(&mut self.publishing(tree))
    }

    fn open(&self) -> Store {
        let url = StoreUrl::local(&self.dir).expect("absolute");
        Store::open(&url, &StoreOptions::default(), Access::Read).expect("it is there")
    }

    /// The newest generation, as a server would take it.
    pub(crate) fn current(&self) -> Servable {
        let store = self.open();
        wait(async {
            let latest = store.latest(None).await.expect("it answers").expect("there is one");
            store.validate(store.generation(latest).await.expect("it is usable")).await.expect("it is whole")
        })
    }

    pub(crate) fn verify(&self) -> StoreReport {
        let store = self.open();
        wait(store.verify(NonZeroUsize::MIN, &())).expect("it answers")
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads").block_on(work)
}
