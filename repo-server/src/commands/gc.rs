use std::{io, process::ExitCode};

use artifact::human_bytes;
use release_store::{GcMode, GcOptions, GcReport, Store};
use serde::Serialize;

use super::{Outcome, print_json, wait};
use crate::cli::{OutputFormat, Streams};

/// Deletes what is not needed any more.
pub(crate) fn gc(store: &Store, options: &GcOptions, streams: &mut Streams<'_>) -> Outcome {
    let report = wait(store.gc(options))?;
    match streams.format {
        OutputFormat::Text => print_text(&report, options.mode, streams.stdout)?,
        OutputFormat::Json => {
            #[derive(Serialize)]
            struct Document<'a> {
                dry_run: bool,
                #[serde(flatten)]
                report: &'a GcReport,
            }
            print_json(&Document { dry_run: options.mode == GcMode::DryRun, report: &report }, streams.stdout)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_text(report: &GcReport, mode: GcMode, stdout: &mut dyn io::Write) -> io::Result<()> {
    let verb = match mode {
        GcMode::Delete => "deleted",
        GcMode::DryRun => "would delete",
    };
    for generation in &report.generations {
        writeln!(stdout, "{verb} generation {generation}")?;
    }
    for digest in &report.blobs {
        writeln!(stdout, "{verb} blob {digest}")?;
    }
    let GcReport { generations, blobs, bytes, kept_blobs, .. } = report;
    writeln!(
        stdout,
        "{verb} {} releases and {} packages, {}; {kept_blobs} packages stay",
        generations.len(),
        blobs.len(),
        human_bytes(*bytes)
    )
}
