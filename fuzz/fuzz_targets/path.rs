//! Any bytes as the target of a request. What is found is what a search through all known paths finds; there is nothing
//! that another spelling leads to.

#![no_main]

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use artifact::{
    Arch, Artifact, InstallPath, Package, PackageFormat, PackageSlot, ReleaseManifest, ReleaseTime, Revision,
    SCHEMA_VERSION, Sha256Digest, Source,
};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use slipway_fuzz::catalog::{Catalog, Entry, Lifetime, Listing, RELEASES, Release, Resource};

/// Everything that can be asked for, by its only name.
type Known = BTreeMap<String, (Arc<Resource>, Lifetime)>;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::new(release("12"), vec![release("7"), release("tree-0af")]));

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known::new();
    for release in CATALOG.releases() {
        for path in release.paths() {
            let file = release.file(path).expect("it was just named");
            known.insert(format!("{RELEASES}{}{path}", release.id), (Arc::clone(file), Lifetime::Release));
        }
    }
    for path in CATALOG.current().paths() {
        let file = CATALOG.current().file(path).expect("it was just named");
        known.insert(path.to_owned(), (Arc::clone(file), Lifetime::Current));
    }
    known
});

fn release(id: &str) -> Arc<Release> {
    let mut artifacts = Vec::new();
    let revision = Revision::new("1-29").expect("valid");
    for slot in [PackageSlot::Agent, PackageSlot::DefaultSidecar, PackageSlot::RevisionedSidecar(revision)] {
        for (format, arch) in PackageFormat::ALL.into_iter().flat_map(|format| Arch::ALL.map(|arch| (format, arch))) {
            let path = InstallPath::Package(Package { slot: slot.clone(), format, arch });
            artifacts.push(Artifact {
                size: 1000,
                sha256: Sha256Digest::of(format!("{id} {path}").as_bytes()),
                component: slot.component(),
                version: "1:1-1".to_owned(),
                arch,
                format,
                revision: None,
                payload: None,
                path,
            });
        }
    }
    let manifest = ReleaseManifest {
        schema: SCHEMA_VERSION,
        version: "1:1-1".to_owned(),
        time: ReleaseTime::from_unix(1_700_000_000),
        source: Source { commit: None, dirty: false },
        artifacts,
    };
    Arc::new(Release::new(id.into(), manifest.time, manifest))
}

fn look_up(path: &str) {
    let known = KNOWN.iter().find(|(known, _)| known.as_str() == path).map(|(_, file)| file);
    match (CATALOG.find(path), known) {
        (None, None) => {}
        (Some(hit), Some((resource, lifetime))) => {
            assert!(Arc::ptr_eq(hit.resource, resource) && hit.lifetime == *lifetime, "{path:?}");
            assert!(CATALOG.releases().iter().any(|release| Arc::ptr_eq(release, hit.release)), "{path:?}");
        }
        (hit, known) => panic!("{path:?} is {known:?}, and was found as {hit:?}"),
    }
    // Reading a path and writing it changes nothing, so there are no two spellings.
    if let Ok(install) = path.parse::<InstallPath>() {
        assert_eq!(install.to_string(), path);
    }
}

/// Every entry of a folder is in it, and leads to a file or to a folder again.
fn list(path: &str) {
    let Some(listing) = Listing::of(&CATALOG, path) else { return };
    let is_folder = path == RELEASES || KNOWN.keys().any(|known| known.starts_with(path));
    assert!(is_folder && path.ends_with('/') && listing.path == path, "{path:?} is no folder");
    assert!(!listing.entries.is_empty(), "{path:?} lists nothing");
    for entry in &listing.entries {
        match entry {
            Entry::File { name, .. } => assert!(KNOWN.contains_key(&format!("{path}{name}")), "{path:?} has {name:?}"),
            Entry::Directory { name } => {
                assert!(Listing::of(&CATALOG, &format!("{path}{name}")).is_some(), "{path:?} has {name:?}");
            }
        }
    }
    assert!(listing.to_html().contains(path) && listing.to_json().contains(path));
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        look_up(text);
        // Folders are asked for with their slash; without it, the server looks for the one with it.
        list(text);
        list(&format!("{text}/"));
    }
    // As it comes out of a request line.
    if let Ok(uri) = Uri::try_from(data) {
        look_up(uri.path());
        list(uri.path());
    }
});
