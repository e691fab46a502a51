//! Where the services of a machine have their cgroups.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Machines that shared one would meet each other's processes there.
#[derive(Debug)]
pub(super) struct Cgroup {
    /// One in each hierarchy that systemd uses.
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Under the one that this process is in; `name` is nobody else's.
    pub(super) fn new(name: &OsStr) -> Self {
        let ours = fs::read_to_string("/proc/self/cgroup").expect("every Linux has it");
        let hybrid = Path::new("/sys/fs/cgroup/unified");
        let folders = ours.lines().filter_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (hierarchy, path) = line.split_once(':')?;
            let mount = match hierarchy {
                "" if hybrid.exists() => hybrid,
                "" => Path::new("/sys/fs/cgroup"),
                "name=systemd" => Path::new("/sys/fs/cgroup/systemd"),
                _ => return None,
            };
            Some(mount.join(path.trim_start_matches('/')).join(name))
        });
        let folders: Vec<PathBuf> = folders.collect();
        for folder in &folders {
            fs::create_dir(folder).expect("systemd-nspawn makes some there, too");
        }
        Self { folders }
    }

    /// A program that runs there.
    pub(super) fn command(&self, program: &str) -> Command {
        let join = |folder: &PathBuf| format!("echo $$ > {}/cgroup.procs\n", folder.display());
        let script = self.folders.iter().map(join).collect::<Vec<_>>().concat();
        let mut command = Command::new("sh");
        command.args(["-ec", &format!("{script}exec \"$0\" \"$@\""), program]);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // What was killed may take a moment.
            for _ in 0..20 {
                let _ = Command::new("find")
                    .arg(folder)
                    .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"])
                    .stderr(Stdio::null())
                    .status();
                if !folder.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
