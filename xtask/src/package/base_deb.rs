//! The part of a DEB that is the same for all revisions, by cargo-deb from `[package.metadata.deb]`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use artifact::{Arch, Component};
use cargo_deb::{
    BuildEnvironment, CargoLockingFlags,
    compress::{CompressConfig, Format},
    config::{BuildOptions, DebugSymbolOptions},
    listener::Listener,
};
use fs_err as fs;

use super::{PackageError, Packager};
use crate::{failure::FileContext, plan::Target};

/// The packages that cargo-deb made so far. Revisions differ in what is edited and spliced in later, so there is one for
/// each component and architecture, made by whoever needs it first.
#[derive(Debug)]
pub(crate) struct DebianBases(BTreeMap<(Component, Arch), Slot>);

type Slot = Mutex<Option<Arc<[u8]>>>;

impl DebianBases {
    /// None made yet.
    pub(crate) fn new() -> Self {
        let keys = Component::ALL.into_iter().flat_map(|component| Arch::ALL.map(|arch| (component, arch)));
        Self(keys.map(|key| (key, Mutex::new(None))).collect())
    }

    /// The package's bytes.
    pub(super) fn get(&self, packager: &Packager<'_>, target: &Target) -> Result<Arc<[u8]>, PackageError> {
        let mut slot = self.0[&(target.component, target.arch)].lock().expect("nobody panics with the lock held");
        if let Some(base) = &*slot {
            return Ok(Arc::clone(base));
        }
        let base: Arc<[u8]> = make(packager, target)?.into();
        *slot = Some(Arc::clone(&base));
        Ok(base)
    }
}

/// Runs cargo-deb in this process.
fn make(packager: &Packager<'_>, target: &Target) -> Result<Vec<u8>, PackageError> {
    let failed = |source| PackageError::CargoDeb { target: target.to_string(), source: Box::new(source) };
    let manifest_path = packager.workspace.component_cargo_toml(target.component);
    let options = BuildOptions {
        manifest_path: Some(&manifest_path),
        rust_target_triples: vec![target.arch.target()],
        // The programs are stripped by their profile already.
        debug: DebugSymbolOptions { strip_override: Some(false), ..DebugSymbolOptions::default() },
        cargo_locking_flags: CargoLockingFlags { offline: false, frozen: false, locked: true },
        ..BuildOptions::default()
    };
    let (environment, packages) = BuildEnvironment::from_manifest(options, &Silent).map_err(failed)?;
    let mut package = packages.into_iter().next().expect("one target gives one package");

    package.default_timestamp = u64::from(packager.stamp.time.unix());

    package.resolve_assets(&Silent).map_err(failed)?;
    // The real ones are put in later: what `$auto` would find here is wrong for a foreign architecture.
    package.resolved_depends = Some(String::new());
    package.sort_assets_by_type();
    // The package is written anew with the payload: fast is enough.
    let compress = CompressConfig { fast: true, compress_type: Format::Gzip, compress_system: false, rsyncable: false };
    let scratch = packager.scratch_dir()?;
    let path = scratch.path().join("base.deb");
    cargo_deb::write_deb(&environment, path.clone(), &package, &compress, &Silent).map_err(failed)?;
    Ok(fs::read(&path).while_("read what cargo-deb made")?)
}

/// cargo-deb's remarks are about choices that the metadata makes on purpose.
struct Silent;

impl Listener for Silent {
    fn warning(&self, _: String) {}

    fn info(&self, _: String) {}
}
