//! What each command does and prints.

mod gc;
mod releases;
mod rollback;
mod verify;

use std::{io, process::ExitCode};

use serde::Serialize;

pub(crate) use self::{
    gc::gc,
    releases::releases,
    rollback::rollback,
    verify::{verify_store, verify_tree},
};
use crate::failure::Failure;

/// The exit code of a command that ran to its end.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// Waits for what a store is asked. Requests run side by side on this one thread; files are hashed on others.
fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has threads and sockets").block_on(work)
}

fn print_json(document: &impl Serialize, stdout: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *stdout, document)?;
    writeln!(stdout)
}
