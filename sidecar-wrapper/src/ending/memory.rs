//! Whether the kernel killed for want of memory.
//!
//! A process that was killed so ends like any other that gets SIGKILL. What tells is a counter, of the cgroup (`memory.events`
//! of cgroup v2, `memory.oom_control` of v1) and of the whole machine (`/proc/vmstat`), which the kernel raises before it
//! sends the signal.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryWatch {
    /// Of the cgroup that this process is in, as are its children unless they leave.
    here: Option<Counter>,
    /// Of the machine.
    everywhere: Option<Counter>,
}

/// Where the kernel ran out of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfMemory {
    /// It killed a process of our cgroup, or of one below.
    Here,
    /// It killed some process, perhaps ours.
    Somewhere,
}

impl fmt::Display for OutOfMemory {
    /// A sentence of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here => "the kernel ran out of memory for this service and killed a process of it",
            Self::Somewhere => "the kernel ran out of memory and killed a process of this machine",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Counter {
    path: PathBuf,
    kills: u64,
}

impl MemoryWatch {
    /// Reads the counters. What the kernel or a sandbox does not show is not watched.
    #[must_use]
    pub fn now() -> Self {
        Self::below(Path::new("/"))
    }

    fn below(root: &Path) -> Self {
        Self { here: cgroup_counter(root), everywhere: Counter::read(root.join("proc/vmstat")) }
    }

    /// Whether the kernel has killed since.
    #[must_use]
    pub fn since(&self) -> Option<OutOfMemory> {
        let rose = |counter: &Option<Counter>| counter.as_ref().is_some_and(Counter::rose);
        if rose(&self.here) {
            Some(OutOfMemory::Here)
        } else {
            rose(&self.everywhere).then_some(OutOfMemory::Somewhere)
        }
    }
}

impl Counter {
    fn read(path: PathBuf) -> Option<Self> {
        let kills = oom_kills(&fs::read_to_string(&path).ok()?)?;
        Some(Self { path, kills })
    }

    fn rose(&self) -> bool {
        Self::read(self.path.clone()).is_some_and(|now| now.kills > self.kills)
    }
}

/// All three files are lines of a name and a number.
fn oom_kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// The counter of the cgroup that looks after our memory: of v2 if it does, else of v1, where both exist side by side.
fn cgroup_counter(root: &Path) -> Option<Counter> {
    let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    [Version::V2, Version::V1].into_iter().find_map(|version| {
        let cgroup = version.path(&cgroups)?;
        let (top, mount_point) = mounts.lines().find_map(|line| version.mount(line))?;
        // In a container the mount may show a part of the hierarchy only.
        let below = Path::new(cgroup).strip_prefix(top).ok()?;
        let mount_point = root.join(mount_point.strip_prefix('/')?);
        Counter::read(mount_point.join(below).join(version.file()))
    })
}

#[derive(Debug, Clone, Copy)]
enum Version {
    V1,
    V2,
}

impl Version {
    const fn file(self) -> &'static str {
        match self {
            Self::V1 => "memory.oom_control",
            Self::V2 => "memory.events",
        }
    }

    /// From `4:memory:/path` or `0::/path`, see cgroups(7).
    fn path(self, cgroups: &str) -> Option<&str> {
        cgroups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let ours = match self {
                Self::V1 => controllers.split(',').any(|controller| controller == "memory"),
                Self::V2 => controllers.is_empty(),
            };
            ours.then_some(path)
        })
    }

    /// The part of the hierarchy that is mounted, and where, from
    /// `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`, see `proc_pid_mountinfo(5)`.
    fn mount(self, line: &str) -> Option<(&str, &str)> {
        let (mount, file_system) = line.split_once(" - ")?;
        let (kind, rest) = file_system.split_once(' ')?;
        let ours = match self {
            Self::V1 => kind == "cgroup" && rest.split(' ').next_back()?.split(',').any(|option| option == "memory"),
            Self::V2 => kind == "cgroup2",
        };
        let mut fields = mount.split(' ').skip(3);
        ours.then_some((fields.next()?, fields.next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const V2_EVENTS: &str = "low 0\nhigh 0\nmax 12\noom 4\noom_kill 3\noom_group_kill 0\n";
    const V2_MOUNT: &str = "24 23 0:22 / /sys rw - sysfs sysfs rw
31 24 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
";
    const HYBRID_CGROUPS: &str = "9:name=systemd:/system.slice/istio.service\n4:cpu,memory:/system.slice/istio.service
0::/system.slice/istio.service\n";
    const HYBRID_MOUNTS: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,cpu,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    struct Machine(TempDir);

    impl Machine {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a temporary directory"))
        }

        fn with(self, path: &str, content: &str) -> Self {
            self.write(path, content);
            self
        }

        fn write(&self, path: &str, content: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
            fs::write(path, content).expect("writable");
        }

        fn watch(&self) -> MemoryWatch {
            MemoryWatch::below(self.0.path())
        }
    }

    #[test]
    fn watches_the_cgroup_of_version_2() {
        let events = "sys/fs/cgroup/system.slice/istio.service/memory.events";
        let machine = Machine::new()
            .with("proc/self/cgroup", "0::/system.slice/istio.service\n")
            .with("proc/self/mountinfo", V2_MOUNT)
            .with("proc/vmstat", "nr_free_pages 1\noom_kill 7\n")
            .with(events, V2_EVENTS);
        let watch = machine.watch();
        assert_eq!(watch.since(), None);
        machine.write("proc/vmstat", "nr_free_pages 1\noom_kill 8\n");
        assert_eq!(watch.since(), Some(OutOfMemory::Somewhere));
        machine.write(events, &V2_EVENTS.replace("oom_kill 3", "oom_kill 4"));
        assert_eq!(watch.since(), Some(OutOfMemory::Here));
        assert_eq!(machine.watch().since(), None);
    }

    #[test]
    fn watches_the_cgroup_of_version_1_where_it_has_the_memory() {
        let control = "sys/fs/cgroup/memory/system.slice/istio.service/memory.oom_control";
        let machine = Machine::new()
            .with("proc/self/cgroup", HYBRID_CGROUPS)
            .with("proc/self/mountinfo", HYBRID_MOUNTS)
            .with("sys/fs/cgroup/unified/system.slice/istio.service/cgroup.procs", "")
            .with(control, "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
        let watch = machine.watch();
        machine.write(control, "oom_kill_disable 1\nunder_oom 1\noom_kill 0\n");
        assert_eq!(watch.since(), None);
        machine.write(control, "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
        assert_eq!(watch.since(), Some(OutOfMemory::Here));
    }

    #[test]
    fn finds_the_cgroup_below_a_mount_of_a_part() {
        let machine = Machine::new()
            .with("proc/self/cgroup", "0::/docker/4711/inner\n")
            .with("proc/self/mountinfo", "31 24 0:28 /docker/4711 /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
            .with("sys/fs/cgroup/inner/memory.events", V2_EVENTS);
        assert_eq!(machine.watch().here.map(|counter| counter.kills), Some(3));
    }

    #[test]
    fn says_nothing_where_nothing_is_shown() {
        let machine = Machine::new();
        let watch = machine.watch();
        assert_eq!(watch, MemoryWatch { here: None, everywhere: None });
        machine.write("proc/vmstat", "oom_kill 8\n");
        assert_eq!(watch.since(), None);
    }
}
