//! The documented plain commands switch an installed sidecar between revisions, in both directions, with real apt; for dnf, see the tests of
//! systems.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use artifact::{Arch, Artifact, Component, PackageFormat, Revision};

use super::{packages, run, verdict};

/// The amd64 sidecar packages, by revision.
fn sidecars() -> Vec<(Revision, Artifact, PathBuf)> {
    packages(PackageFormat::Deb)
        .into_iter()
        .filter(|(artifact, _)| artifact.arch == Arch::Amd64 && artifact.component == Component::IstioSidecar)
        .map(|(artifact, path)| (artifact.revision.clone().expect("a sidecar has one"), artifact, path))
        .collect()
}

/// Every ordered pair of revisions stands next to each other once.
fn tour(count: usize) -> Vec<usize> {
    assert_eq!(count, 3, "the tour below visits all ordered pairs of three");
    vec![0, 1, 2, 0, 2, 1, 0]
}

fn assert_installed(artifact: &Artifact, root: &Path) {
    super::debian::check_payload(artifact, root);
    let info = std::fs::read_to_string(root.join("usr/share/istio-sidecar/revision.json")).expect("it is installed");
    let revision = artifact.revision.as_ref().expect("a sidecar has one");
    assert!(info.contains(&format!("\"{revision}\"")), "{info}");
}

#[test]
fn apt_switches_between_revisions_in_both_directions() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("debian");
    run("mmdebstrap", [OsStr::new("--quiet"), "--variant=apt".as_ref(), "bookworm".as_ref(), root.as_os_str()]);
    let chroot = |script: &str| {
        let args = [root.as_os_str(), OsStr::new("env"), OsStr::new("DEBIAN_FRONTEND=noninteractive")];
        verdict("chroot", args.into_iter().chain(["sh", "-ec", script].map(OsStr::new)))
    };
    let sidecars = sidecars();
    for (revision, _, path) in &sidecars {
        let folder = root.join("srv").join(revision.as_str());
        std::fs::create_dir_all(&folder).expect("a folder in the root");
        std::fs::copy(path, folder.join("istio-sidecar.deb")).expect("a copy of the package");
    }
    let install = |revision: &str| {
        let (ok, text) = chroot(&format!("cd /srv/{revision} && apt-get install -y ./istio-sidecar.deb"));
        assert!(ok, "{revision}: {text}");
        text
    };
    let installed = || chroot("dpkg-query -W -f '${Istio-Revision}' istio-sidecar").1;

    for index in tour(sidecars.len()) {
        let (revision, artifact, _) = &sidecars[index];
        install(revision.as_str());
        assert_eq!(installed(), revision.as_str());
        assert_installed(artifact, &root);
    }
    let (first, _, _) = &sidecars[0];
    assert!(install(first.as_str()).contains("already the newest version"));

    // The same payload under another name has the same size: the relations alone must tell them apart.
    let twin = format!(
        "cd /srv && dpkg-deb -R {first}/istio-sidecar.deb t && sed -i 's/revision-{first}/revision-twin/g; s/^Istio-Revision: .*/Istio-Revision: twin/' \
         t/DEBIAN/control && mkdir twin && dpkg-deb -Znone -b t twin/istio-sidecar.deb"
    );
    let (ok, text) = chroot(&twin);
    assert!(ok, "{text}");
    for revision in ["twin", first.as_str(), "twin"] {
        install(revision);
        assert_eq!(installed(), revision);
    }

    let (ok, text) = chroot("apt-get purge -y istio-sidecar && ! test -e /usr/local/bin/envoy");
    assert!(ok, "{text}");
}
