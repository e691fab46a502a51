//! The command line of `cargo xtask`.

use std::{num::NonZeroUsize, path::PathBuf};

use artifact::{Arch, Component, PackageFormat, Revision};
use clap::{Args, Parser, Subcommand};
use payload_splice::Level;
use release_store::{Conflicts, Endpoint, Existing, PublishOptions, StoreOptions, StoreUrl, Writers};

use crate::{dist, plan::Selection, publish, workspace::Workspace};

/// Builds, checks and measures Slipway's releases.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Turn a revision manifest into the whole tree of packages.
    Dist(DistArgs),
    /// Make a dist tree the current release of a store.
    Publish(PublishArgs),
    /// Resolve every payload source of a manifest and pin what it holds.
    Lock(LockArgs),
    /// Install what `dist` needs on this machine.
    Setup(SetupArgs),
    /// Run everything that CI runs.
    Test(TestArgs),
    /// Measure against other programs, in one run on this machine.
    #[command(subcommand)]
    Bench(BenchCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// The revision manifest [default: packaging/revisions.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// What relative URLs in the manifest begin with, instead of its `base_url`
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
}

impl ManifestArgs {
    pub(crate) fn path(&self, workspace: &Workspace) -> PathBuf {
        self.manifest.clone().unwrap_or_else(|| workspace.default_manifest())
    }
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct DistArgs {
    #[command(flatten)]
    manifest: ManifestArgs,
    /// Only this Istio revision's sidecars; may be repeated
    #[arg(long, value_name = "R")]
    revision: Vec<Revision>,
    /// Only this architecture: amd64 or arm64; may be repeated
    #[arg(long, value_name = "A")]
    arch: Vec<Arch>,
    /// Only this format: deb or rpm; may be repeated
    #[arg(long, value_name = "F")]
    format: Vec<PackageFormat>,
    /// Only this component: onboarding-agent or istio-sidecar; may be repeated
    #[arg(long, value_name = "C")]
    component: Vec<Component>,
    /// The folder that is replaced by the new tree [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the install path of every package that would be made, and stop
    #[arg(long)]
    pub(crate) plan: bool,
    /// Print manifest.json instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Use only what is on this machine
    #[arg(long)]
    offline: bool,
    /// How many things to do at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// First install whatever is missing
    #[arg(long)]
    setup: bool,
    /// How hard payloads are compressed, 0 to 9; docs/benchmarks.md has what each costs
    #[arg(long, value_name = "LEVEL", default_value_t)]
    level: Level,
    /// Make the tree a second time in another checkout, on one thread and from nothing, and compare
    #[arg(long, conflicts_with_all = ["plan", "json"])]
    pub(crate) verify_reproducible: bool,
}

impl DistArgs {
    pub(crate) fn options(&self, workspace: &Workspace) -> dist::Options {
        dist::Options {
            manifest: self.manifest.path(workspace),
            base_url: self.manifest.base_url.clone(),
            selection: Selection {
                revisions: self.revision.clone(),
                arches: self.arch.clone(),
                formats: self.format.clone(),
                components: self.component.clone(),
            },
            out: self.out.clone().unwrap_or_else(|| workspace.default_dist()),
            offline: self.offline,
            jobs: jobs(self.jobs),
            level: self.level,
            setup: self.setup,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    #[arg(long, value_name = "URL", help = StoreUrl::HELP)]
    store: StoreUrl,
    /// The tree to publish [default: target/dist]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Publish other bytes under versions that were published before
    #[arg(long)]
    force: bool,
    /// Nothing else writes to the store at the same time, so it need not honour conditional writes
    #[arg(long)]
    single_writer: bool,
    /// Hash what the store has already, and replace what is damaged
    #[arg(long)]
    rehash: bool,
    #[arg(long, value_name = "URL", help = Endpoint::HELP)]
    endpoint: Option<Endpoint>,
    /// How many files to read at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

impl PublishArgs {
    pub(crate) fn options(self, workspace: &Workspace) -> publish::Options {
        publish::Options {
            store: self.store,
            access: StoreOptions { endpoint: self.endpoint, ..StoreOptions::default() },
            tree: self.from.unwrap_or_else(|| workspace.default_dist()),
            publish: PublishOptions {
                writers: if self.single_writer { Writers::Single } else { Writers::Many },
                conflicts: if self.force { Conflicts::Allow } else { Conflicts::Refuse },
                existing: if self.rehash { Existing::Rehash } else { Existing::CheckSize },
                jobs: jobs(self.jobs),
            },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
    /// How many sources to resolve at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// First install whatever is missing
    #[arg(long)]
    pub(crate) setup: bool,
}

impl LockArgs {
    pub(crate) fn jobs(&self) -> NonZeroUsize {
        jobs(self.jobs)
    }
}

#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    pub(crate) manifest: ManifestArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// First install whatever is missing
    #[arg(long)]
    pub(crate) setup: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Make the sidecar packages of the default manifest, and the same with nfpm.
    Dist(BenchDistArgs),
    /// Publish the tree in target/dist to a local store, and copy and hash it by hand.
    Publish(BenchPublishArgs),
    /// Serve the same files with repo-server and with other servers.
    Serve(BenchServeArgs),
    /// Write a program's output to a file with sidecar-wrapper and with other supervisors' loggers.
    Sidecar(BenchSidecarArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BenchPublishArgs {
    /// How often each way is run; the table has medians
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) rounds: NonZeroUsize,
}

#[derive(Debug, Args)]
pub(crate) struct BenchServeArgs {
    /// How often each load is put on each server; the table has medians
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) rounds: NonZeroUsize,
    /// First install whatever is missing
    #[arg(long)]
    pub(crate) setup: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchSidecarArgs {
    /// How often each way is run; the table has medians
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) rounds: NonZeroUsize,
    /// First install whatever is missing
    #[arg(long)]
    pub(crate) setup: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchDistArgs {
    /// How often each way is run; the table has medians
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) rounds: NonZeroUsize,
    /// First install whatever is missing
    #[arg(long)]
    pub(crate) setup: bool,
}

fn jobs(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}
