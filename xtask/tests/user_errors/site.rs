use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use artifact::Arch;
use testkit::run::Run;

use super::{make, snapshot::Snapshot};

/// An operator's folder: a manifest with its payloads, a cache, and perhaps a dist tree in `out`.
pub(crate) struct Site {
    dir: tempfile::TempDir,
    /// Where `--out` points.
    pub(crate) out: PathBuf,
}

/// What an error must say: each text of the first, and the text of the second in the hint.
pub(crate) struct Says<'a>(pub(crate) &'a [&'a str], pub(crate) &'a str);

/// A folder with a lock and a dist tree, made once and copied for each test.
static GOOD: LazyLock<Snapshot> = LazyLock::new(|| {
    let site = Site::unlocked();
    site.succeeds(&["lock"]);
    site.dist_succeeds();
    Snapshot::read(site.dir.path())
});

impl Site {
    pub(crate) const MANIFEST: &'static str = "revisions.toml";
    pub(crate) const LOCK: &'static str = "revisions.lock";
    /// The folder that the manifest takes Envoy from.
    pub(crate) const PAYLOAD: &'static str = "payload/envoy";

    /// An empty folder, with the tools that `xtask setup` installed.
    fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let out = dir.path().join("out");
        Self { dir, out }
    }

    /// A manifest with a payload; not locked, nothing built.
    pub(crate) fn unlocked() -> Self {
        let site = Self::empty();
        fs::create_dir(site.cache()).expect("a fresh folder");
        std::os::unix::fs::symlink(users_cache().join("tools"), site.cache().join("tools")).expect("a fresh folder");
        site.write(Self::MANIFEST, make::manifest("{ directory = 'payload' }"));
        site.write(Self::PAYLOAD, make::program(host()));
        site
    }

    /// The same after `lock` and `dist`.
    pub(crate) fn good() -> Self {
        Self::of(&GOOD)
    }

    pub(crate) fn of(files: &Snapshot) -> Self {
        let site = Self::empty();
        files.write(site.dir.path());
        site
    }

    /// A good tree from an earlier manifest, and a manifest with another source; not locked.
    pub(crate) fn with_source(source: &str) -> Self {
        let site = Self::good();
        site.write(Self::MANIFEST, make::manifest(source));
        site
    }

    /// The same folder, with another `--out`.
    pub(crate) fn with_out(self, out: &str) -> Self {
        Self { out: self.path(out), ..self }
    }

    /// A hidden sibling of the tree.
    fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.out.file_name().expect("a name").to_string_lossy();
        self.out.with_file_name(format!(".{name}.{suffix}"))
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.beside("lock")
    }

    /// Where a tree is before it is swapped in.
    pub(crate) fn new_tree(&self) -> PathBuf {
        self.beside("new")
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("our own folder");
        fs::write(path, content).expect("our own folder");
    }

    /// Changes a text of a file, which must be there.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no `{from}`:\n{text}");
        self.write(name, text.replace(from, to));
    }

    /// Forgets everything but the tools.
    pub(crate) fn clear_cache(&self) {
        for entry in fs::read_dir(self.cache()).expect("the cache") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                fs::remove_dir_all(entry.path()).expect("our own folder");
            }
        }
    }

    pub(crate) fn tree(&self) -> Snapshot {
        Snapshot::read(&self.out)
    }

    /// Everything that the operator has, without the cache.
    pub(crate) fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().to_string_lossy().into();
        let mut files: Vec<String> = fs::read_dir(self.dir.path()).expect("our own folder").map(name).collect();
        files.sort();
        files
    }

    /// A run in this folder, whatever the machine's own settings are.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("SLIPWAY_CACHE", self.cache())
            // The same version before and after a commit in this checkout.
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .env("GIT_DIR", self.path("no-repository"))
            .env("NO_PROXY", "*");
        for name in ["SLIPWAY_DERIVED_CACHE", "SSL_CERT_FILE", "SSL_CERT_DIR", "https_proxy", "no_proxy"] {
            command.env_remove(name);
        }
        if let [word @ ("lock" | "dist"), ..] = args {
            command.args(["--manifest", Self::MANIFEST]);
            if *word == "dist" {
                command.args(["--component", "istio-sidecar", "--out"]).arg(&self.out);
            }
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args))
    }

    pub(crate) fn succeeds(&self, args: &[&str]) -> Run {
        self.run(args).succeeded()
    }

    pub(crate) fn dist_succeeds(&self) -> Run {
        self.succeeds(&["dist", "--format", "deb"])
    }

    /// Runs what must fail by the user's fault, and checks all that holds for every such failure.
    pub(crate) fn refuses(&self, args: &[&str], says: &Says<'_>) -> Run {
        self.fails(&mut self.command(args), says)
    }

    /// [`Self::refuses`] with a command of one's own.
    pub(crate) fn fails(&self, command: &mut Command, says: &Says<'_>) -> Run {
        let (tree, files) = (self.tree(), self.files());
        let run = Run::of(command);
        says.are_said_by(&run);
        assert_eq!(self.tree(), tree, "the last good tree was changed");
        let mut left = self.files();
        // The lock's file stays; that nobody holds it is checked below.
        let lock_file = self.lock_file();
        left.retain(|name| lock_file.file_name() != Some(name.as_ref()) || files.contains(name));
        assert_eq!(left, files, "something was left beside the tree");
        self.left_nothing();
        run
    }

    /// No half-written files, and no lock held.
    pub(crate) fn left_nothing(&self) {
        if let Ok(file) = File::open(self.lock_file()) {
            file.try_lock().expect("the lock is free");
        }
        assert!(!self.new_tree().exists(), "an unfinished tree was left");
        let cache = Snapshot::read(&self.cache());
        let left: Vec<_> =
            cache.paths().filter(|path| is_temporary(path) || path.parent() == Some("unpack".as_ref())).collect();
        assert!(left.is_empty(), "left in the cache: {left:?}");
    }
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

impl Says<'_> {
    /// Checks what was said, and where.
    pub(crate) fn are_said_by(&self, Run { code, stdout, stderr }: &Run) {
        let Self(error, hint) = self;
        assert_eq!(*code, Some(1), "the user's fault: {stderr}");
        assert_eq!(stdout, "", "stdout is for data");
        let start = stderr.find("error: ").unwrap_or_else(|| panic!("no error: {stderr}"));
        let (said, hinted) = stderr[start..].split_once("\nhint: ").unwrap_or_else(|| panic!("no hint: {stderr}"));
        for text in *error {
            assert!(said.contains(text), "the error does not say `{text}`: {stderr}");
        }
        for line in said.lines().filter_map(|line| line.strip_prefix("  caused by: ")) {
            assert_eq!(said.matches(line).count(), 1, "said twice: {stderr}");
        }
        assert!(hinted.contains(hint), "the hint does not say `{hint}`: {stderr}");
        assert_eq!(hinted.trim_end().lines().count(), 1, "the hint is the last line: {stderr}");
    }
}

/// The architecture that programs can be compiled for without anything but the C compiler.
pub(crate) fn host() -> Arch {
    match std::env::consts::ARCH {
        "x86_64" => Arch::Amd64,
        "aarch64" => Arch::Arm64,
        other => panic!("{other} is none of Slipway's architectures"),
    }
}

pub(crate) fn other_than_host() -> Arch {
    Arch::ALL.into_iter().find(|arch| *arch != host()).expect("there are two")
}

/// Where `cargo xtask setup` put the pinned tools, by the rules in CONTRIBUTING.md.
fn users_cache() -> PathBuf {
    let dir = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    dir("SLIPWAY_CACHE")
        .or_else(|| dir("XDG_CACHE_HOME").map(|dir| dir.join("slipway")))
        .unwrap_or_else(|| std::env::home_dir().expect("a home").join(".cache/slipway"))
}
