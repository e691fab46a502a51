use std::process::ExitCode;

use release_store::{GenerationNumber, RolledBack, Store, Writers};
use serde::Serialize;

use super::{Outcome, print_json, wait};
use crate::cli::{OutputFormat, Streams};

/// Makes an older generation's content current again.
pub(crate) fn rollback(store: &Store, to: GenerationNumber, writers: Writers, streams: &mut Streams<'_>) -> Outcome {
    let RolledBack { generation, outcome } = wait(store.rollback(to, writers))?;
    let committed = outcome == release_store::Outcome::Committed;
    match streams.format {
        OutputFormat::Text if committed => {
            writeln!(streams.stdout, "generation {generation} serves what generation {to} served")?;
        }
        OutputFormat::Text => {
            writeln!(streams.stdout, "generation {generation} is current and serves what generation {to} served")?;
        }
        OutputFormat::Json => {
            #[derive(Serialize)]
            struct Document {
                generation: GenerationNumber,
                rollback_of: GenerationNumber,
                created: bool,
            }
            print_json(&Document { generation, rollback_of: to, created: committed }, streams.stdout)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
