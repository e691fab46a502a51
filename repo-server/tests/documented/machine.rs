//! A Debian 12 of its own, booted under systemd-nspawn.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::run;

/// Ends, and is removed, with the value.
pub(crate) struct Machine {
    /// Declared first, so that it ends before its root goes away.
    booted: Booted,
    root: tempfile::TempDir,
}

struct Booted {
    nspawn: Child,
    init: Option<u32>,
}

/// systemd-nspawn wants to mount there, and the folder of a container may not allow it.
const NSPAWN_STATE: &str = "/run/systemd/nspawn";

impl Machine {
    /// Makes a root with `packages` and waits until its systemd has started all units.
    pub(crate) fn boot(packages: &str) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let include = format!("--include=systemd,systemd-sysv,dbus,{packages}");
        run(Command::new("mmdebstrap")
            .args(["--quiet", "--variant=apt", &include, "bookworm"])
            .arg(root.path().join("debian")));
        std::fs::create_dir_all(NSPAWN_STATE).expect("root can make it");
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", NSPAWN_STATE]));
        let nspawn = Command::new("systemd-nspawn")
            .arg("-D")
            .arg(root.path().join("debian"))
            .args(["-b", "--register=no", "--keep-unit", "--console=pipe", "--quiet"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("systemd-nspawn is installed");
        let mut machine = Self { booted: Booted { nspawn, init: None }, root };
        machine.wait();
        machine
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            assert!(Instant::now() < end, "the machine does not boot");
            std::thread::sleep(Duration::from_millis(100));
            let pid = self.booted.nspawn.id();
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
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
        command.args(["-t", &self.booted.init?.to_string(), "-a", "env", "-i", "HOME=/root"]);
        command.args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]);
        command.args(["DEBIAN_FRONTEND=noninteractive", "bash", "-ec", &format!("cd /root\n{script}")]);
        Some(command)
    }

    /// Runs a script inside; it must succeed.
    pub(crate) fn run(&self, script: &str) -> String {
        run(&mut self.command(script).expect("it has booted"))
    }

    /// A file of the machine, from outside.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root.path().join("debian").join(path)
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
