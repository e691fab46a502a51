use std::{io, path::Path, process::ExitCode, thread};

use artifact::human_bytes;
use release_store::{
    Store, StoreFault, StoreReport,
    tree::{self, Fault, Report},
};
use serde::Serialize;

use super::{Outcome, print_json, wait};
use crate::cli::{OutputFormat, Streams};

/// Checks a dist tree.
pub(crate) fn verify_tree(dir: &Path, streams: &mut Streams<'_>) -> Outcome {
    let Report { packages, faults } = tree::verify(dir)?;
    match streams.format {
        OutputFormat::Text => print_tree(packages, &faults, streams)?,
        OutputFormat::Json => {
            #[derive(Serialize)]
            struct Document<'a> {
                valid: bool,
                packages: usize,
                faults: &'a [Fault],
            }
            print_json(&Document { valid: faults.is_empty(), packages, faults: &faults }, streams.stdout)?;
        }
    }
    Ok(ExitCode::from(u8::from(!faults.is_empty())))
}

fn print_tree(packages: usize, faults: &[Fault], streams: &mut Streams<'_>) -> io::Result<()> {
    if faults.is_empty() {
        return writeln!(streams.stdout, "{packages} packages verified");
    }
    for fault in faults {
        writeln!(streams.stderr, "error: {fault}")?;
    }
    writeln!(streams.stderr, "{} faults in a tree of {packages} packages", faults.len())?;
    writeln!(streams.stderr, "hint: copy the tree again, or make it again with `cargo xtask dist`")
}

/// Checks all that a store keeps.
pub(crate) fn verify_store(store: &Store, streams: &mut Streams<'_>) -> Outcome {
    let jobs = thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    let report = wait(store.verify(jobs, &()))?;
    match streams.format {
        OutputFormat::Text => print_store(&report, streams)?,
        OutputFormat::Json => {
            #[derive(Serialize)]
            struct Document<'a> {
                valid: bool,
                generations: usize,
                blobs: usize,
                bytes: u64,
                faults: &'a [StoreFault],
            }
            let StoreReport { generations, blobs, faults } = &report;
            let document = Document {
                valid: faults.is_empty(),
                generations: *generations,
                blobs: blobs.blobs,
                bytes: blobs.bytes,
                faults,
            };
            print_json(&document, streams.stdout)?;
        }
    }
    Ok(ExitCode::from(u8::from(!report.faults.is_empty())))
}

fn print_store(StoreReport { generations, blobs, faults }: &StoreReport, streams: &mut Streams<'_>) -> io::Result<()> {
    if faults.is_empty() {
        let (packages, bytes) = (blobs.blobs, human_bytes(blobs.bytes));
        return writeln!(streams.stdout, "{generations} releases verified: {packages} packages, {bytes}");
    }
    for fault in faults {
        writeln!(streams.stderr, "error: {fault}")?;
    }
    writeln!(streams.stderr, "{} faults in a store of {generations} releases", faults.len())?;
    writeln!(streams.stderr, "hint: publish the trees that these packages are from again, with --rehash")
}
