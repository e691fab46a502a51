use std::path::{Path, PathBuf};

use artifact::{Arch, Artifact, PackageFormat, cmp_debian};

use super::{packages, run, unpack, verdict};

/// Every ELF program of an unpacked package: ours below /usr/bin, the payload's below /usr/local/bin.
fn programs(root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let list = |dir: &str| {
        let Ok(entries) = std::fs::read_dir(root.join(dir)) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    };
    (list("usr/bin"), list("usr/local/bin"))
}

/// The newest `GLIBC_x.y` that readelf sees the program need.
fn glibc_floor(program: &Path) -> String {
    let text = run("readelf", ["--version-info", "--wide", &program.to_string_lossy()]);
    let mut versions: Vec<&str> = text
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("GLIBC_"))
        .map(|version| version.trim_end_matches(|c: char| !c.is_ascii_digit()))
        .collect();
    versions.sort_by(|a, b| cmp_debian(a, b));
    (*versions.last().expect("a dynamic program needs glibc")).to_owned()
}

fn each_unpacked(check: impl Fn(&Artifact, &Path)) {
    for format in PackageFormat::ALL {
        for (artifact, path) in packages(format) {
            check(&artifact, unpack(format, &path).path());
        }
    }
}

#[test]
fn readelf_sees_the_packages_architecture_and_declared_glibc() {
    each_unpacked(|artifact, root| {
        let machine = match artifact.arch {
            Arch::Amd64 => "X86-64",
            Arch::Arm64 => "AArch64",
        };
        let (ours, payload) = programs(root);
        assert_eq!(ours.len(), 1, "{}", artifact.path);
        assert_eq!(payload.is_empty(), artifact.payload.is_none(), "{}", artifact.path);
        for program in ours.iter().chain(&payload) {
            let header = run("readelf", ["--file-header", &program.to_string_lossy()]);
            assert!(header.contains(machine), "{}: {header}", program.display());
        }
        let floor = glibc_floor(&ours[0]);
        assert!(cmp_debian(&floor, "2.17").is_le(), "{} needs glibc {floor}", artifact.path);

        let declared = declared_glibc(artifact);
        let all = ours.iter().chain(&payload).map(|program| glibc_floor(program));
        let needed = all.chain(["2.17".to_owned()]).max_by(|a, b| cmp_debian(a, b));
        assert_eq!(Some(declared), needed, "{}", artifact.path);
    });
}

/// The glibc in `Depends` or `Requires`.
fn declared_glibc(artifact: &Artifact) -> String {
    let path = super::dist().join(artifact.path.relative()).to_string_lossy().into_owned();
    let (text, before, after) = match artifact.format {
        PackageFormat::Deb => (run("dpkg-deb", ["--field", &path, "Depends"]), "libc6 (>= ", ")"),
        PackageFormat::Rpm => (run("rpm", ["--query", "--package", "--requires", &path]), "libc.so.6(GLIBC_", ")"),
    };
    let (_, rest) = text.split_once(before).expect("glibc is declared");
    rest.split_once(after).expect("a closing parenthesis").0.to_owned()
}

#[test]
fn programs_run_and_tell_their_version() {
    each_unpacked(|artifact, root| {
        let (ours, payload) = programs(root);
        let mut expected = vec![(ours[0].clone(), env!("CARGO_PKG_VERSION").to_owned())];
        if let Some(payload_facts) = &artifact.payload {
            let envoy = payload.iter().find(|path| path.ends_with("envoy")).expect("every sidecar has it");
            expected.push((envoy.clone(), payload_facts.envoy.to_string()));
        }
        for (program, version) in expected {
            let (ok, text) = match artifact.arch {
                Arch::Amd64 => verdict(&program.to_string_lossy(), ["--version"]),
                // libc6:arm64 of the host is found without -L; another one makes threads hang.
                Arch::Arm64 => verdict("qemu-aarch64-static", [program.as_os_str(), "--version".as_ref()]),
            };
            assert!(ok && text.contains(&version), "{} {}: {text}", artifact.path, program.display());
        }
    });
}
