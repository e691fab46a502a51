//! The command line.

use std::{io::Write, num::NonZeroUsize, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use release_store::{Access, ConnectError, Endpoint, GenerationNumber, Store, StoreOptions, StoreUrl, Writers};

use crate::{commands, serve::ServeArgs};

/// Serves releases of onboarding packages to virtual machines
#[derive(Debug, Parser)]
#[command(name = "repo-server", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the URIs that virtual machines download from
    Serve(Box<ServeArgs>),
    /// Say whether `serve` could start with these settings
    Check(Box<ServeArgs>),
    /// Check a store, or a tree that `cargo xtask dist` made, against what it says about itself
    ///
    /// With --store, reads every kept generation and hashes every package that one of them serves. With --dir, hashes
    /// every package that DIR/manifest.json lists, compares the .sha256 file beside it, and looks for anything else below
    /// DIR/install. Reports all that is wrong in one run and exits with 1 if anything is.
    Verify {
        /// The folder that holds manifest.json and install
        #[arg(long, value_name = "DIR", required_unless_present = "store", conflicts_with = "store")]
        dir: Option<PathBuf>,

        #[command(flatten)]
        store: MaybeStoreArgs,

        /// Print one JSON document on stdout
        #[arg(long)]
        json: bool,
    },
    /// List the releases that a store keeps, newest first
    Releases {
        #[command(flatten)]
        store: StoreArgs,

        /// Print one JSON document on stdout
        #[arg(long)]
        json: bool,
    },
    /// Make an older release current again, as a new generation
    Rollback {
        #[command(flatten)]
        store: StoreArgs,

        /// The generation whose content becomes current
        #[arg(long, value_name = "N")]
        to: GenerationNumber,

        #[command(flatten)]
        writers: WriterArgs,

        /// Print one JSON document on stdout
        #[arg(long)]
        json: bool,
    },
    /// Delete old releases, and packages that no kept release needs
    ///
    /// Safe while others publish. The newest two releases always stay.
    Gc {
        #[command(flatten)]
        store: StoreArgs,

        /// How many of the newest releases stay
        #[arg(long, value_name = "N", default_value = "10")]
        keep: NonZeroUsize,

        /// Nothing younger is deleted, such as 36h or 2d
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
        grace: Duration,

        /// Say what would be deleted, and delete nothing
        #[arg(long)]
        dry_run: bool,

        /// Print one JSON document on stdout
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct StoreArgs {
    #[arg(long, value_name = "URL", help = StoreUrl::HELP)]
    store: StoreUrl,

    #[command(flatten)]
    access: AccessArgs,
}

#[derive(Debug, Args)]
struct MaybeStoreArgs {
    #[arg(long, value_name = "URL", help = StoreUrl::HELP)]
    store: Option<StoreUrl>,

    #[command(flatten)]
    access: AccessArgs,
}

#[derive(Debug, Args)]
struct AccessArgs {
    #[arg(long, value_name = "URL", help = Endpoint::HELP, requires = "store")]
    endpoint: Option<Endpoint>,
}

#[derive(Debug, Args)]
struct WriterArgs {
    /// Nothing else writes to the store at the same time, so it need not honour conditional writes
    #[arg(long)]
    single_writer: bool,
}

impl AccessArgs {
    fn open(self, url: &StoreUrl) -> Result<Store, ConnectError> {
        Store::open(url, &StoreOptions { endpoint: self.endpoint, ..StoreOptions::default() }, Access::Read)
    }
}

impl WriterArgs {
    const fn writers(&self) -> Writers {
        if self.single_writer { Writers::Single } else { Writers::Many }
    }
}

/// A span of time such as `24h`.
fn duration(text: &str) -> Result<Duration, String> {
    let span = if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    } else {
        text.parse::<jiff::SignedDuration>()
    };
    span.ok().and_then(|span| Duration::try_from(span).ok()).ok_or_else(|| "expected a time such as 24h".to_owned())
}

/// How a command prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    Text,
    Json,
}

impl OutputFormat {
    const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Where output goes: data to stdout, everything else to stderr.
pub(crate) struct Streams<'a> {
    pub(crate) stdout: &'a mut dyn Write,
    pub(crate) stderr: &'a mut dyn Write,
    pub(crate) format: OutputFormat,
}

impl Cli {
    /// Does what the command line asks; the exit code is 0, 1 for the user's fault, 2 for ours.
    pub fn run(self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> ExitCode {
        let mut streams = Streams { stdout, stderr, format: OutputFormat::Text };
        let outcome = self.command.run(&mut streams).and_then(|code| Ok(streams.stdout.flush().map(|()| code)?));
        outcome.unwrap_or_else(|failure| failure.report(streams.stderr))
    }
}

impl Command {
    fn run(self, streams: &mut Streams<'_>) -> commands::Outcome {
        match self {
            Self::Serve(args) => return args.serve(),
            Self::Check(args) => return args.check(streams),
            Self::Verify { json, .. }
            | Self::Releases { json, .. }
            | Self::Rollback { json, .. }
            | Self::Gc { json, .. } => streams.format = OutputFormat::new(json),
        }
        match self {
            Self::Serve(_) | Self::Check(_) => unreachable!("done above"),
            Self::Verify { dir: Some(dir), .. } => commands::verify_tree(&dir, streams),
            Self::Verify { dir: None, store: MaybeStoreArgs { store, access }, .. } => {
                let url = store.expect("clap wants one of the two");
                commands::verify_store(&access.open(&url)?, streams)
            }
            Self::Releases { store, .. } => commands::releases(&store.open()?, streams),
            Self::Rollback { store, to, writers, .. } => {
                commands::rollback(&store.open()?, to, writers.writers(), streams)
            }
            Self::Gc { store, keep, grace, dry_run, .. } => {
                let mode = if dry_run { release_store::GcMode::DryRun } else { release_store::GcMode::Delete };
                commands::gc(&store.open()?, &release_store::GcOptions { keep, grace, mode }, streams)
            }
        }
    }
}

impl StoreArgs {
    fn open(self) -> Result<Store, ConnectError> {
        self.access.open(&self.store)
    }
}
