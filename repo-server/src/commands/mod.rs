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

/// Bytes in SI units with one decimal, as package tools show them.
fn human_bytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let value = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}
