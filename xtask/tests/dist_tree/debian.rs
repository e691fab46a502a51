use std::{collections::BTreeMap, ffi::OsStr, fmt::Write as _, path::Path};

use artifact::{Artifact, Component, PackageFormat};

use super::{manifest, packages, run, unpack, verdict};

fn fields(package: &Path) -> BTreeMap<String, String> {
    let text = run("dpkg-deb", [OsStr::new("--field"), package.as_os_str()]);
    text.lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn control_data_say_what_the_manifest_says() {
    let version = manifest().version;
    for (artifact, path) in packages(PackageFormat::Deb) {
        let fields = fields(&path);
        let name = path.display();
        assert_eq!(fields["Package"], artifact.component.package_name(), "{name}");
        assert_eq!(fields["Version"], version, "{name}");
        assert_eq!(fields["Architecture"], artifact.arch.debian(), "{name}");
        assert!(fields["Depends"].starts_with("libc6 (>= 2."), "{name}: {}", fields["Depends"]);
        assert!(fields["Maintainer"].contains('@'), "{name}");
        if let Some(payload) = &artifact.payload {
            let revision = artifact.revision.as_ref().expect("a sidecar has one");
            let virtual_name = format!("istio-sidecar-revision-{revision}");
            assert_eq!(fields["Istio-Revision"], revision.as_str());
            assert_eq!(fields["Istio-Version"], payload.istio.to_string());
            assert_eq!(fields["Envoy-Version"], payload.envoy.to_string());
            assert_eq!(fields["Conflicts"], virtual_name);
            assert_eq!(fields["Replaces"], virtual_name);
            assert_eq!(
                fields["Provides"],
                format!(
                    "{virtual_name}, istio-sidecar-istio (= {}), istio-sidecar-envoy (= {})",
                    payload.istio.package(),
                    payload.envoy.package()
                )
            );
        }
    }
}

/// The content without sizes and times, which differ from build to build.
fn listing(package: &Path) -> String {
    let text = run("dpkg-deb", [OsStr::new("--contents"), package.as_os_str()]);
    text.lines().fold(String::new(), |mut listing, line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let _ = writeln!(listing, "{} {} {}", words[0], words[1], words[5..].join(" "));
        listing
    })
}

#[test]
fn files_have_the_expected_modes_and_owners() {
    let mut listings: BTreeMap<Component, String> = BTreeMap::new();
    for (artifact, path) in packages(PackageFormat::Deb) {
        let listing = listing(&path);
        let first = listings.entry(artifact.component).or_insert_with(|| listing.clone());
        assert_eq!(*first, listing, "{}: all revisions and architectures install the same files", path.display());
    }
    insta::assert_snapshot!("deb-onboarding-agent", listings[&Component::OnboardingAgent]);
    insta::assert_snapshot!("deb-istio-sidecar", listings[&Component::IstioSidecar]);
}

#[test]
fn times_are_the_releases_own() {
    let time = manifest().time.to_string().replace('T', " ");
    let minute = &time[..16];
    for (_, path) in packages(PackageFormat::Deb) {
        // `--contents` shows local time.
        let contents = run("env", [OsStr::new("TZ=UTC"), "dpkg-deb".as_ref(), "--contents".as_ref(), path.as_os_str()]);
        assert!(contents.lines().all(|line| line.contains(minute)), "{}:\n{contents}", path.display());
    }
}

#[test]
fn unpacked_files_match_their_md5sums_and_the_manifest() {
    for (artifact, path) in packages(PackageFormat::Deb) {
        let dir = unpack(PackageFormat::Deb, &path);
        let control = tempfile::tempdir().expect("a folder");
        run("dpkg-deb", [OsStr::new("--control"), path.as_os_str(), control.path().as_os_str()]);
        let sums = control.path().join("md5sums");
        let script = "cd \"$1\" && md5sum --check --strict --quiet \"$2\"";
        let args = ["-c", script, "sh"].map(OsStr::new).into_iter();
        run("sh", args.chain([dir.path().as_os_str(), sums.as_os_str()]));
        check_payload(&artifact, dir.path());
    }
}

/// Compares the payload files below `root` with the release manifest, by sha256sum.
pub(crate) fn check_payload(artifact: &Artifact, root: &Path) {
    for member in artifact.payload.iter().flat_map(|payload| &payload.members) {
        let path = root.join(member.path.trim_start_matches('/'));
        let sum = run("sha256sum", [path.as_os_str()]);
        assert!(sum.starts_with(&member.sha256.to_string()), "{}: {sum}", artifact.path);
        assert_eq!(path.metadata().expect("just read").len(), member.size);
    }
}

#[test]
fn lintian_finds_no_error() {
    for (_, path) in packages(PackageFormat::Deb) {
        let (ok, text) =
            verdict("lintian", [OsStr::new("--fail-on=error"), OsStr::new("--allow-root"), path.as_os_str()]);
        assert!(ok, "{}:\n{text}", path.display());
    }
}
