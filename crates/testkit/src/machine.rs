//! A Debian or Ubuntu of its own, booted under systemd-nspawn.

mod cgroup;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cgroup::Cgroup;

use crate::release::Release;

/// systemd-nspawn wants to mount there, and the folder of a container may not allow it.
const NSPAWN_STATE: &str = "/run/systemd/nspawn";
const BOOT_DEADLINE: Duration = Duration::from_mins(1);

/// A root file system that nobody runs: machines are copies of it.
#[derive(Debug)]
pub struct Image {
    root: PathBuf,
    /// Removes it with the value.
    _dir: Option<tempfile::TempDir>,
}

/// What a system needs to boot.
const BOOTABLE: &str = "systemd,systemd-sysv,dbus";

impl Image {
    /// Debian 12 with systemd and `packages`, which are separated by commas.
    #[must_use]
    pub fn bootable(packages: &str) -> Self {
        Self::new(&format!("{BOOTABLE},{packages}"))
    }

    /// The same, kept in `folder`, which is one of the build's, for the next time.
    #[must_use]
    pub fn bootable_in(folder: &Path, packages: &str) -> Self {
        Self::release_in(folder, Release::DEBIAN_12, packages)
    }

    /// The same of another release.
    #[must_use]
    pub fn release_in(folder: &Path, release: Release, packages: &str) -> Self {
        Self::kept(folder, release, &format!("{BOOTABLE},{packages}"), &[])
    }

    /// Debian 12 for arm64 with `packages`, kept as well. Whoever makes it must be able to run arm64 programs.
    #[must_use]
    pub fn arm64_in(folder: &Path, packages: &str) -> Self {
        Self::kept(folder, Release::DEBIAN_12, packages, &["--architectures=arm64"])
    }

    fn kept(folder: &Path, release: Release, packages: &str, flags: &[&str]) -> Self {
        let name = [&[&release.full_name(), packages], flags].concat().join("-").replace([',', '='], "-");
        let root = folder.join(name);
        if !root.exists() {
            let unfinished = tempfile::tempdir_in(folder).expect("a folder of the build");
            let made = unfinished.path().join("root");
            make(&made, release, packages, flags);
            fs::rename(made, &root).expect("both are in the same folder");
        }
        Self { root, _dir: None }
    }

    /// Debian 12 with apt and `packages`.
    #[must_use]
    pub fn new(packages: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("root");
        make(&root, Release::DEBIAN_12, packages, &[]);
        Self { root, _dir: Some(dir) }
    }

    /// A copy that nobody runs either; see [`Root::run`].
    #[must_use]
    pub fn copy(&self) -> Root {
        let dir = tempfile::tempdir().expect("a folder");
        run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(&self.root).arg(dir.path().join("root")));
        Root { dir }
    }

    /// A copy that was booted, on the network of this machine.
    #[must_use]
    pub fn boot(&self) -> Machine {
        Machine::boot(self.copy(), &[])
    }

    /// A copy that was booted and reaches nobody: its ports are its own.
    #[must_use]
    pub fn boot_alone(&self) -> Machine {
        Machine::boot(self.copy(), &["--private-network"])
    }
}

fn make(root: &Path, release: Release, packages: &str, flags: &[&str]) {
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=apt", &format!("--include={packages}")]);
    if let Some(folder) = release.keys() {
        command.arg(format!("--keyring={folder}"));
    }
    run(command.args(flags).arg(release.code_name()).arg(root));
}

/// A root file system of one's own.
#[derive(Debug)]
pub struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    /// A file of it, from outside.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path.trim_start_matches('/'))
    }

    /// Runs a script in it, as in an image that is being made: no systemd runs. It must succeed.
    #[must_use]
    pub fn run(&self, script: &str) -> String {
        let mut command = Command::new("chroot");
        command.arg(self.file("")).args(["env", "-i"]);
        run(clean(&mut command, script))
    }
}

/// A booted system. It ends, and is removed, with the value.
#[derive(Debug)]
pub struct Machine {
    /// Declared first, so that it ends before its root goes away.
    booted: Booted,
    root: Root,
}

#[derive(Debug)]
struct Booted {
    nspawn: Child,
    init: Option<u32>,
    /// Goes after what is in it.
    _cgroup: Cgroup,
}

impl Machine {
    /// Waits until its systemd has started all units.
    fn boot(root: Root, network: &[&str]) -> Self {
        fs::create_dir_all(NSPAWN_STATE).expect("root can make it");
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", NSPAWN_STATE]));
        let cgroup = Cgroup::new(root.dir.path().file_name().expect("it is no root"));
        let nspawn = cgroup
            .command("systemd-nspawn")
            .arg("-D")
            .arg(root.file(""))
            .args(["-b", "--register=no", "--keep-unit", "--console=pipe", "--quiet"])
            .args(network)
            // Version 2 of cgroups alone, as newer systems have it, whatever there is here: systemd 258 boots with no other.
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("systemd-nspawn is installed");
        let mut machine = Self { booted: Booted { nspawn, init: None, _cgroup: cgroup }, root };
        machine.wait();
        machine
    }

    fn wait(&mut self) {
        let end = Instant::now() + BOOT_DEADLINE;
        loop {
            assert!(Instant::now() < end, "the machine does not boot");
            std::thread::sleep(Duration::from_millis(100));
            let pid = self.booted.nspawn.id();
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            self.booted.init = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
            let Some(mut state) = self.command("systemctl is-system-running") else { continue };
            let output = state.output().expect("nsenter is installed");
            // A container has units that cannot start there, such as those of the kernel's logs.
            if matches!(String::from_utf8_lossy(&output.stdout).trim(), "running" | "degraded") {
                return;
            }
        }
    }

    fn command(&self, script: &str) -> Option<Command> {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.booted.init?.to_string(), "-a", "env", "-i"]);
        clean(&mut command, script);
        Some(command)
    }

    /// Runs a script inside, with nothing on stdin; it must succeed. Gives all that it printed.
    #[expect(clippy::must_use_candidate, reason = "most scripts are run for what they do")]
    pub fn run(&self, script: &str) -> String {
        run(&mut self.command(script).expect("it has booted"))
    }

    /// Waits some seconds until a condition of the shell holds; what the journal said last is in the failure.
    pub fn wait_until(&self, condition: &str) {
        self.run(&format!(
            "for attempt in $(seq 100); do if {condition}; then exit 0; fi; sleep 0.1; done\n\
             journalctl --no-pager | tail -n 100; exit 1"
        ));
    }

    /// Whether a script inside succeeds, and all that it printed.
    #[must_use]
    pub fn try_run(&self, script: &str) -> (bool, String) {
        verdict(&mut self.command(script).expect("it has booted"))
    }

    /// A file of the machine, from outside.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.file(path)
    }

    /// Puts a copy of a file of ours there.
    pub fn put(&self, ours: &Path, path: &str) {
        fs::copy(ours, self.file(path)).expect("our own root");
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // Its init ends with all that runs in its namespaces.
        if let Some(init) = self.init {
            let _ = Command::new("kill").args(["-s", "KILL", &init.to_string()]).status();
        }
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
        // The one of this machine: mounts of several stand upon each other.
        let _ = Command::new("umount").args(["--lazy", NSPAWN_STATE]).status();
    }
}

/// The environment of a root shell, for what follows `env -i`.
fn clean<'a>(command: &'a mut Command, script: &str) -> &'a mut Command {
    command.args(["HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]);
    command.args(["DEBIAN_FRONTEND=noninteractive", "bash", "-ec", &format!("cd /root\n{script}")])
}

fn verdict(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

pub(crate) fn run(command: &mut Command) -> String {
    let (ok, text) = verdict(command);
    assert!(ok, "{command:?}: {text}");
    text
}
