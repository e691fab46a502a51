use std::{collections::BTreeMap, ffi::OsStr, path::Path};

use artifact::{Component, PackageFormat};

use super::{debian::check_payload, manifest, packages, run, unpack, verdict};

fn query(package: &Path, what: &[&str]) -> String {
    let args = [&["--query", "--package"], what].concat();
    run("rpm", args.into_iter().map(OsStr::new).chain([package.as_os_str()]))
}

#[test]
fn headers_say_what_the_manifest_says() {
    for (artifact, path) in packages(PackageFormat::Rpm) {
        let name = path.display();
        let header = query(&path, &["--queryformat", "%{NAME} %{EPOCH}:%{VERSION}-%{RELEASE} %{ARCH} %{BUILDTIME}"]);
        let expected =
            format!("{} {} {} {}", artifact.component, artifact.version, artifact.arch.rpm(), manifest().time.unix());
        assert_eq!(header.trim(), expected, "{name}");
        let requires = query(&path, &["--requires"]);
        assert!(requires.contains("libc.so.6(GLIBC_2."), "{name}: {requires}");
        let scripts = query(&path, &["--scripts"]);
        for kind in ["postinstall", "preuninstall", "postuninstall", "posttrans"] {
            assert!(scripts.contains(&format!("{kind} scriptlet")), "{name}: {scripts}");
        }
        if let Some(payload) = &artifact.payload {
            let revision = artifact.revision.as_ref().expect("a sidecar has one");
            let provides = query(&path, &["--provides"]);
            for wanted in [
                format!("istio-sidecar-revision-{revision}"),
                format!("istio-sidecar-istio = {}", payload.istio.package()),
                format!("istio-sidecar-envoy = {}", payload.envoy.package()),
            ] {
                assert!(provides.lines().any(|line| line.trim() == wanted), "{name} lacks {wanted}:\n{provides}");
            }
            let suffix = format!(".{}", revision.rpm_release_suffix());
            assert!(artifact.version.ends_with(&suffix), "{name}: {}", artifact.version);
        }
    }
}

#[test]
fn rpm_accepts_every_digest() {
    for (_, path) in packages(PackageFormat::Rpm) {
        let verdict = run("rpm", [OsStr::new("--checksig"), OsStr::new("--verbose"), path.as_os_str()]);
        assert!(verdict.matches(": OK").count() >= 3, "{}:\n{verdict}", path.display());
    }
}

#[test]
fn files_have_the_expected_modes_owners_and_flags() {
    let mut listings: BTreeMap<Component, String> = BTreeMap::new();
    for (artifact, path) in packages(PackageFormat::Rpm) {
        let format = "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES} %{FILEFLAGS:fflags}\n]";
        let listing = query(&path, &["--queryformat", format]);
        let first = listings.entry(artifact.component).or_insert_with(|| listing.clone());
        assert_eq!(*first, listing, "{}: all revisions and architectures install the same files", path.display());
    }
    insta::assert_snapshot!("rpm-onboarding-agent", listings[&Component::OnboardingAgent]);
    insta::assert_snapshot!("rpm-istio-sidecar", listings[&Component::IstioSidecar]);
}

#[test]
fn unpacked_files_match_the_manifest() {
    for (artifact, path) in packages(PackageFormat::Rpm) {
        let dir = unpack(PackageFormat::Rpm, &path);
        check_payload(&artifact, dir.path());
    }
}

#[test]
fn rpmlint_finds_no_error() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dist_tree/rpmlint.toml");
    for (_, path) in packages(PackageFormat::Rpm) {
        let (_, text) = verdict("rpmlint", [OsStr::new("--config"), config.as_os_str(), path.as_os_str()]);
        assert!(text.contains("0 errors"), "{}:\n{text}", path.display());
    }
}

#[test]
fn createrepo_reads_all_packages() {
    let repository = tempfile::tempdir().expect("a folder");
    let packages = packages(PackageFormat::Rpm);
    for (index, (_, path)) in packages.iter().enumerate() {
        std::os::unix::fs::symlink(path, repository.path().join(format!("{index}.rpm"))).expect("a link");
    }
    let text = run("createrepo_c", [repository.path()]);
    assert!(text.contains(&format!("Directory walk done - {} packages", packages.len())), "{text}");
}
