use std::{io, process::ExitCode};

use release_store::{Action, Generation, GenerationNumber, ReadError, Store};
use serde::Serialize;

use super::{Outcome, print_json, wait};
use crate::{
    cli::{OutputFormat, Streams},
    failure::Failure,
};

/// One line of the list.
#[derive(Serialize)]
struct Release<'a> {
    generation: GenerationNumber,
    current: bool,
    created: String,
    action: &'a Action,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    packages: usize,
    bytes: u64,
    publish_id: String,
}

/// Lists what a store keeps; generations that cannot be used are errors besides.
pub(crate) fn releases(store: &Store, streams: &mut Streams<'_>) -> Outcome {
    let all = wait(store.releases())?;
    let newest = all.first().map(|(number, _)| *number);
    let (mut usable, mut failures) = (Vec::new(), Vec::new());
    for (_, release) in &all {
        match release {
            Ok(generation) => usable.push(describe(generation, newest)),
            Err(error) => failures.push(error),
        }
    }
    match streams.format {
        OutputFormat::Text => print_table(&usable, streams.stdout)?,
        OutputFormat::Json => {
            #[derive(Serialize)]
            struct Document<'a> {
                store: String,
                releases: &'a [Release<'a>],
                unusable: Vec<Unusable>,
            }
            let unusable = failures.iter().map(|error| Unusable::new(error)).collect();
            print_json(&Document { store: store.url().to_string(), releases: &usable, unusable }, streams.stdout)?;
        }
    }
    if all.is_empty() && streams.format == OutputFormat::Text {
        writeln!(streams.stderr, "{} has no release yet", store.url())?;
    }
    let code = ExitCode::from(u8::from(!failures.is_empty()));
    for error in all.into_iter().filter_map(|(_, release)| release.err()) {
        Failure::from(error).report(streams.stderr);
    }
    Ok(code)
}

#[derive(Serialize)]
struct Unusable {
    error: String,
}

impl Unusable {
    fn new(error: &ReadError) -> Self {
        Self { error: error.to_string() }
    }
}

fn describe(generation: &Generation, newest: Option<GenerationNumber>) -> Release<'_> {
    let manifest = &generation.manifest;
    Release {
        generation: generation.number,
        current: Some(generation.number) == newest,
        created: generation.created.to_string(),
        action: &generation.action,
        version: &manifest.version,
        commit: manifest.source.commit.as_ref().map(ToString::to_string),
        packages: manifest.artifacts.len(),
        bytes: manifest.artifacts.iter().map(|artifact| artifact.size).sum(),
        publish_id: generation.publish_id.to_string(),
    }
}

fn print_table(releases: &[Release<'_>], stdout: &mut dyn io::Write) -> io::Result<()> {
    let version_width = releases.iter().map(|release| release.version.len()).max().unwrap_or_default().max(7);
    if !releases.is_empty() {
        writeln!(
            stdout,
            "{:<10}  {:<20}  {:<8}  {:<version_width$}  ACTION",
            "GENERATION", "CREATED", "PACKAGES", "VERSION"
        )?;
    }
    for release in releases {
        let Release { generation, created, packages, version, action, current, .. } = release;
        let generation = format!("{generation}{}", if *current { " *" } else { "" });
        let action = match action {
            Action::Publish => "publish".to_owned(),
            Action::Rollback { of } => format!("rollback to {of}"),
        };
        writeln!(stdout, "{generation:<10}  {created:<20}  {packages:<8}  {version:<version_width$}  {action}")?;
    }
    Ok(())
}
