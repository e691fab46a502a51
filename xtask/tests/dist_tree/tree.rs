use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use artifact::{InstallPath, PackageSlot, ReleaseManifest};

use super::{dist, manifest};

fn files_below(dir: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(dir).expect("a folder of the tree") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.insert(path);
        }
    }
    files
}

#[test]
fn holds_a_package_and_a_checksum_for_each_manifest_entry_and_nothing_else() {
    let mut expected = BTreeSet::from([dist().join(ReleaseManifest::FILE_NAME)]);
    for artifact in manifest().artifacts {
        let checksum = InstallPath::Checksum(artifact.path.package().clone());
        expected.extend([dist().join(artifact.path.relative()), dist().join(checksum.relative())]);
    }
    assert_eq!(files_below(&dist()), expected);
}

#[test]
fn sha256sum_accepts_the_checksum_files_in_every_folder() {
    let folders: BTreeSet<PathBuf> =
        files_below(&dist().join("install")).iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
    assert!(folders.len() >= 16, "{folders:?}");
    for folder in folders {
        let output = Command::new("sh")
            .args(["-c", "sha256sum --check --strict *.sha256"])
            .current_dir(&folder)
            .output()
            .expect("sha256sum is there");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(": OK"), "{}: {text}", folder.display());
    }
}

#[test]
fn serves_the_default_revision_at_both_of_its_paths() {
    let artifacts = manifest().artifacts;
    let defaults: Vec<_> =
        artifacts.iter().filter(|artifact| artifact.path.package().slot == PackageSlot::DefaultSidecar).collect();
    assert_eq!(defaults.len(), 4);
    for artifact in defaults {
        let package = artifact.path.package();
        let twin = artifacts.iter().find(|other| {
            let other = other.path.package();
            (other.format, other.arch) == (package.format, package.arch)
                && matches!(&other.slot, PackageSlot::RevisionedSidecar(revision) if revision.is_default())
        });
        assert_eq!(twin.map(|twin| twin.sha256), Some(artifact.sha256));
    }
}

#[test]
fn one_dist_has_one_version() {
    let manifest = manifest();
    for artifact in &manifest.artifacts {
        let upstream = manifest.version.strip_suffix("-1").expect("a Debian revision");
        assert!(artifact.version.starts_with(upstream), "{}: {}", artifact.path, artifact.version);
    }
}
