//! The real binary over generated trees, one for each fault.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use artifact::{
    Arch, Artifact, InstallPath, Package, PackageFormat, PackageSlot, ReleaseManifest, ReleaseTime, Revision,
    SCHEMA_VERSION, Sha256Digest, Source,
};
use tempfile::TempDir;
use testkit::run::Run;

const AGENT: &str = "install/deb/amd64/onboarding-agent.deb";
const SIDECAR: &str = "install/istio-sidecar/1-29/rpm/arm64/istio-sidecar.rpm";

/// A tree as `cargo xtask dist` makes it: two slots for each format and architecture.
struct Tree {
    dir: TempDir,
    manifest: ReleaseManifest,
}

fn content(path: &InstallPath) -> String {
    // More than one read of the hashing loop.
    path.to_string().repeat(20_000)
}

impl Tree {
    fn new() -> Self {
        let revision = Revision::new("1-29").expect("valid");
        let mut artifacts = Vec::new();
        for format in PackageFormat::ALL {
            for arch in Arch::ALL {
                for slot in [PackageSlot::Agent, PackageSlot::RevisionedSidecar(revision.clone())] {
                    artifacts.push(artifact(&Package { slot, format, arch }));
                }
            }
        }
        let tree = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            manifest: ReleaseManifest {
                schema: SCHEMA_VERSION,
                version: "1:0.1.0-1".to_owned(),
                time: ReleaseTime::from_unix(1_764_000_000),
                source: Source { commit: None, dirty: false },
                artifacts,
            },
        };
        for artifact in &tree.manifest.artifacts {
            let checksum = InstallPath::Checksum(artifact.path.package().clone());
            tree.put(&artifact.path.relative(), &content(&artifact.path));
            tree.put(&checksum.relative(), &artifact.sha256.checksum_line(&artifact.path.file_name()));
        }
        tree.write_manifest();
        tree
    }

    fn write_manifest(&self) {
        self.put(ReleaseManifest::FILE_NAME, &self.manifest.to_json());
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("below the tree")).expect("writable");
        fs::write(path, content).expect("writable");
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("it was there");
    }

    fn digest(&self, path: &str) -> Sha256Digest {
        Sha256Digest::of(&fs::read(self.path(path)).expect("it is there"))
    }

    fn verify(&self, arguments: &[&str]) -> Run {
        verify(self.dir.path(), arguments)
    }

    /// The faults that are reported, each as `path: what`.
    fn faults(&self) -> Vec<String> {
        let ran = self.verify(&[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        let faults: Vec<_> =
            ran.stderr.lines().filter_map(|line| line.strip_prefix("error: ")).map(str::to_owned).collect();
        assert!(ran.stderr.contains(&format!("\n{} faults in a tree of ", faults.len())), "{ran:?}");
        faults
    }
}

fn artifact(package: &Package) -> Artifact {
    let path = InstallPath::Package(package.clone());
    let content = content(&path);
    Artifact {
        size: content.len() as u64,
        sha256: Sha256Digest::of(content.as_bytes()),
        component: package.slot.component(),
        version: "1:0.1.0-1".to_owned(),
        arch: package.arch,
        format: package.format,
        revision: None,
        payload: None,
        path,
    }
}

fn repo_server() -> Command {
    Command::new(env!("CARGO_BIN_EXE_repo-server"))
}

fn verify(dir: &Path, arguments: &[&str]) -> Run {
    Run::of(repo_server().args(["verify", "--dir"]).arg(dir).args(arguments))
}

#[test]
fn accepts_a_sound_tree_and_what_stands_beside_install() {
    let tree = Tree::new();
    tree.put("sbom/istio-sidecar.json", "{}");
    let ran = tree.verify(&[]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "8 packages verified\n", ""));
    let json = tree.verify(&["--json"]);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).expect("one JSON document");
    assert_eq!(document, serde_json::json!({"valid": true, "packages": 8, "faults": []}));
    // The same judgement from coreutils, on the files as `curl -O` saves them.
    let folder = tree.path(AGENT).parent().expect("below the tree").to_owned();
    let judged = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "onboarding-agent.deb.sha256"])
        .current_dir(folder)
        .status()
        .expect("sha256sum starts");
    assert!(judged.success());
}

#[test]
fn reports_a_missing_package_and_a_missing_checksum_file() {
    let tree = Tree::new();
    tree.remove(AGENT);
    tree.remove(&format!("{SIDECAR}.sha256"));
    assert_eq!(tree.faults(), [format!("{AGENT}: missing"), format!("{SIDECAR}.sha256: missing")]);
}

#[test]
fn reports_every_package_when_nothing_is_there() {
    let tree = Tree::new();
    fs::remove_dir_all(tree.path("install")).expect("it was there");
    let faults = tree.faults();
    assert_eq!(faults.len(), 16);
    assert!(faults.iter().all(|fault| fault.ends_with(": missing")), "{faults:?}");
}

#[test]
fn reports_a_package_that_is_too_short_or_too_long() {
    let tree = Tree::new();
    let size = fs::metadata(tree.path(AGENT)).expect("it is there").len();
    for found in [5, size + 1000] {
        let file = fs::File::options().write(true).open(tree.path(AGENT)).expect("it is there");
        file.set_len(found).expect("writable");
        assert_eq!(
            tree.faults(),
            [format!("{AGENT}: wrong size: the manifest says {size} bytes, the file has {found}")]
        );
    }
}

#[test]
fn reports_a_package_with_one_other_bit() {
    let tree = Tree::new();
    let mut bytes = fs::read(tree.path(SIDECAR)).expect("it is there");
    let expected = tree.digest(SIDECAR);
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(tree.path(SIDECAR), bytes).expect("writable");
    let found = tree.digest(SIDECAR);
    assert_eq!(tree.faults(), [format!("{SIDECAR}: wrong digest: the manifest says {expected}, the file has {found}")]);
}

#[test]
fn reports_checksum_files_that_are_not_exactly_the_line() {
    let tree = Tree::new();
    let digest = tree.digest(AGENT);
    let line = digest.checksum_line("onboarding-agent.deb");
    let other = Sha256Digest::of(b"other");
    for wrong in [
        format!("{digest} onboarding-agent.deb\n"),
        format!("{digest}  ./onboarding-agent.deb\n"),
        format!("{digest}  onboarding-agent.deb"),
        format!("{line}\n"),
        other.checksum_line("onboarding-agent.deb"),
        String::new(),
        line.repeat(1000),
    ] {
        tree.put(&format!("{AGENT}.sha256"), &wrong);
        assert_eq!(
            tree.faults(),
            [format!("{AGENT}.sha256: wrong checksum file: expected exactly {line:?}")],
            "{wrong:?}"
        );
    }
}

#[test]
fn reports_what_the_manifest_does_not_know() {
    let tree = Tree::new();
    tree.put("install/deb/amd64/index.html", "");
    tree.put("install/istio-sidecar/1-30/deb/amd64/istio-sidecar.deb", "");
    tree.put("install/\u{1b}[2J", "");
    assert_eq!(
        tree.faults(),
        [
            "install/\\u{1b}[2J: unexpected file",
            "install/deb/amd64/index.html: unexpected file",
            "install/istio-sidecar/1-30/deb/amd64/istio-sidecar.deb: unexpected file",
        ]
    );
}

#[test]
fn follows_no_link_even_to_the_right_content() {
    let tree = Tree::new();
    let outside = tempfile::tempdir().expect("a temporary directory");
    let package = outside.path().join("package");
    fs::rename(tree.path(AGENT), &package).expect("writable");
    symlink(&package, tree.path(AGENT)).expect("writable");
    fs::rename(tree.path("install/istio-sidecar/1-29"), outside.path().join("1-29")).expect("writable");
    symlink(outside.path().join("1-29"), tree.path("install/istio-sidecar/1-29")).expect("writable");
    let faults = tree.faults();
    assert_eq!(faults[0], format!("{AGENT}: symbolic link instead of a file"));
    assert_eq!(faults[1], "install/istio-sidecar/1-29: unexpected symbolic link");
    assert_eq!(faults.len(), 10, "{faults:?}");
    assert!(faults[2..].iter().all(|fault| fault.ends_with(": missing")), "{faults:?}");

    let whole = Tree::new();
    fs::rename(whole.path("install"), outside.path().join("install")).expect("writable");
    symlink(outside.path().join("install"), whole.path("install")).expect("writable");
    assert_eq!(whole.faults()[0], "install: unexpected symbolic link");
}

#[test]
fn reports_folders_and_pipes_in_place_of_files_without_waiting() {
    let tree = Tree::new();
    tree.remove(AGENT);
    tree.put(&format!("{AGENT}/file"), "");
    tree.remove(SIDECAR);
    let made = Command::new("mkfifo").arg(tree.path(SIDECAR)).status().expect("mkfifo starts");
    assert!(made.success());
    assert_eq!(
        tree.faults(),
        [
            format!("{AGENT}: directory instead of a file"),
            format!("{AGENT}/file: unexpected file"),
            format!("{SIDECAR}: special file instead of a file"),
        ]
    );
}

#[test]
fn reports_entries_of_the_manifest_that_contradict_themselves() {
    let mut tree = Tree::new();
    let Tree { manifest: ReleaseManifest { artifacts, .. }, .. } = &mut tree;
    let twice = artifacts[0].clone();
    artifacts.push(twice);
    artifacts[1].arch = Arch::Arm64;
    artifacts[2].path = InstallPath::Checksum(artifacts[2].path.package().clone());
    let paths = [1, 2].map(|index| artifacts[index].path.relative());
    tree.write_manifest();
    let mut expected = [
        format!("{AGENT}: the manifest lists this path more than once"),
        format!("{}: the manifest's component, arch or format contradicts the path", paths[0]),
        format!("{}: the manifest lists this checksum file as a package", paths[1]),
    ];
    expected.sort();
    let mut faults = tree.faults();
    faults.sort();
    assert_eq!(faults, expected);
}

#[test]
fn reports_all_faults_as_json() {
    let tree = Tree::new();
    tree.put(AGENT, "short");
    tree.remove(&format!("{AGENT}.sha256"));
    tree.put("install/extra", "");
    let size = tree.manifest.artifacts[0].size;
    let ran = tree.verify(&["--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    let faults = serde_json::json!([
        {"path": AGENT, "fault": "wrong-size", "expected": size, "found": 5},
        {"path": format!("{AGENT}.sha256"), "fault": "missing"},
        {"path": "install/extra", "fault": "unexpected", "found": "file"},
    ]);
    assert_eq!(document, serde_json::json!({"valid": false, "packages": 8, "faults": faults}));
}

#[test]
fn reports_files_and_folders_that_it_may_not_read() {
    let tree = Tree::new();
    // For root nothing is unreadable, so the check runs as `nobody` when the tests run as root.
    for (path, mode) in [(AGENT, 0o000), ("install/rpm", 0o000), ("", 0o755)] {
        fs::set_permissions(tree.path(path), fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let program = tree.dir.path().join("repo-server");
    // By another process: a program that is open for writing here, or in a child of a test beside this one, cannot be run.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_repo-server")).arg(&program).status();
    assert!(copied.expect("cp is there").success(), "a copy that all may run");
    let mut command = Command::new(program);
    if fs::metadata("/proc/self").expect("Linux has it").uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let ran = Run::of(command.args(["verify", "--dir"]).arg(tree.dir.path()));
    fs::set_permissions(tree.path("install/rpm"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for path in [AGENT, "install/rpm"] {
        let line = format!("error: {path}: cannot be read: Permission denied (os error 13)\n");
        assert!(ran.stderr.contains(&line), "{ran:?}");
    }
}

#[test]
fn asks_where_the_tree_is_from_when_there_is_no_manifest() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ran = verify(dir.path(), &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        ran.stderr,
        format!(
            "error: cannot read {}/manifest.json\ncaused by: No such file or directory (os error 2)\n\
             hint: was this tree made by `cargo xtask dist`?\n",
            dir.path().display()
        )
    );
}

#[test]
fn refuses_manifests_that_it_does_not_know() {
    let tree = Tree::new();
    for (json, cause, hint) in [
        (
            r#"{"schema": 2}"#,
            "has schema 2, this program reads schema 1",
            "use the repo-server of the version that made the tree",
        ),
        (r#"{"schema": 1}"#, "the release manifest is malformed\ncaused by: missing field", "copy the tree again"),
        ("<html>", "the release manifest is malformed\ncaused by: expected value", "copy the tree again"),
    ] {
        tree.put(ReleaseManifest::FILE_NAME, json);
        let ran = tree.verify(&["--json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
        assert!(ran.stderr.contains(cause) && ran.stderr.contains(&format!("\nhint: {hint}")), "{ran:?}");
    }
}

#[test]
fn prints_its_version() {
    let ran = Run::of(repo_server().arg("--version"));
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("repo-server {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn says_when_the_output_cannot_be_written() {
    let tree = Tree::new();
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let ran = Run::of(repo_server().args(["verify", "--dir"]).arg(tree.dir.path()).stdout(full));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
