//! Who has a socket.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use crate::text::visible;

/// That of the process which started all others.
const FIRST: u32 = 1;
/// Programs that start a sidecar again when it ends, as the kernel names them: it cuts names after 15 bytes. The wrapper's keeper
/// has another name, and ends with it.
const OWNERS: [&str; 2] = ["sidecar-wrapper", "onboarding-agen"];
/// Process IDs are given anew, so a walk from one parent to the next might go round.
const DEEPEST: usize = 64;

/// Who has what the sidecar needs, as far as this process may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process; the first by pid if several share it.
    Process(Process),
    /// Processes of other users are hidden, but the kernel tells whose socket it is.
    User(User),
    /// Somebody.
    Unknown,
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// As in this process's PID namespace.
    pub pid: u32,
    /// The kernel's name of it, at most 15 bytes.
    pub name: String,
    /// The first argument, by custom the program's path.
    pub command: Option<String>,
    /// The systemd unit it belongs to.
    pub unit: Option<String>,
    /// Whether this process belongs to the same service.
    pub of_our_service: bool,
    /// Who would start it again if it were killed.
    pub owner: Option<Owner>,
}

/// A running process that looks after a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// As in this process's PID namespace.
    pub pid: u32,
    /// The kernel's name of it.
    pub name: String,
}

impl Owner {
    /// The topmost one above `pid`. Those that this process runs under are not meant: they started this one as well.
    fn above(pid: u32) -> Option<Self> {
        let ours: BTreeSet<u32> = lineage(std::process::id()).collect();
        let theirs = lineage(pid).take_while(|pid| !ours.contains(pid));
        let owners = theirs.skip(1).filter_map(|pid| {
            let name = name(pid)?;
            OWNERS.contains(&name.as_str()).then_some(Self { pid, name })
        });
        owners.last()
    }
}

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The number.
    pub uid: u32,
    /// The name, if `/etc/passwd` has one.
    pub name: Option<String>,
}

impl Holder {
    /// What there is to know of a process, or else of the user `uid`.
    pub(super) fn of(pid: Option<u32>, uid: u32) -> Self {
        pid.and_then(Process::look).map_or_else(|| Self::User(User::of(uid)), Self::Process)
    }
}

impl Process {
    fn look(pid: u32) -> Option<Self> {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let name = name(pid)?;
        let unit = fs::read_to_string(directory.join("cgroup")).ok().and_then(|text| unit(&text));
        let own = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| self::unit(&text));
        let of_our_service = unit.as_deref().is_some_and(is_service) && unit == own;
        let command = command(&directory.join("cmdline"));
        Some(Self { pid, name, command, unit, of_our_service, owner: Owner::above(pid) })
    }

    /// Whether it is the service manager, which listens for units that do not run yet.
    #[must_use]
    pub fn is_systemd(&self) -> bool {
        self.pid == FIRST && self.name == "systemd"
    }

    /// The unit, if it is one that `systemctl stop` stops, by the name that people use.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.unit.as_deref().filter(|unit| is_service(unit))?.strip_suffix(".service")
    }
}

impl User {
    fn of(uid: u32) -> Self {
        let name = File::open("/etc/passwd").ok().and_then(|passwd| user_name(BufReader::new(passwd), uid));
        Self { uid, name }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(Process { pid, name, command, unit, owner, .. }) => {
                write!(f, "{name} (pid {pid}")?;
                [command, unit].into_iter().flatten().try_for_each(|known| write!(f, ", {known}"))?;
                f.write_str(")")?;
                owner.as_ref().map_or(Ok(()), |Owner { pid, name }| write!(f, " of {name} (pid {pid})"))
            }
            Self::User(User { uid, name: Some(name) }) => write!(f, "a process of user {name} (uid {uid})"),
            Self::User(User { uid, name: None }) => write!(f, "a process of uid {uid}"),
            Self::Unknown => f.write_str("an unknown process"),
        }
    }
}

/// The first process by pid that has each socket open, where this process may see it. systemd comes last: it keeps the sockets
/// that it made for others.
pub(super) fn owners(inodes: &BTreeSet<u64>) -> BTreeMap<u64, u32> {
    let mut owners = BTreeMap::new();
    if inodes.is_empty() {
        return owners;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: BTreeSet<u32> = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let first_process = pids.contains(&FIRST).then_some(FIRST);
    for pid in pids.into_iter().filter(|&pid| pid != FIRST).chain(first_process) {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let Some(inode) = fs::read_link(entry.path()).ok().and_then(|link| socket_inode(link.to_str()?)) else {
                continue;
            };
            if inodes.contains(&inode) {
                owners.entry(inode).or_insert(pid);
            }
        }
        if owners.len() == inodes.len() {
            break;
        }
    }
    owners
}

fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// A process, its parent, and so on.
fn lineage(pid: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(pid), |&pid| parent(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?))
        .take(DEEPEST)
}

/// Out of `/proc/PID/status`. The first process has none, nor has one whose parent is in another PID namespace.
fn parent(status: &str) -> Option<u32> {
    let pid = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    (pid != 0).then_some(pid)
}

fn name(pid: u32) -> Option<String> {
    Some(shown(fs::read(format!("/proc/{pid}/comm")).ok()?.trim_ascii_end()))
}

fn command(cmdline: &Path) -> Option<String> {
    // More than any path; a process may have megabytes of arguments.
    const MOST: u64 = 4096;
    let mut text = Vec::new();
    File::open(cmdline).ok()?.take(MOST).read_to_end(&mut text).ok()?;
    let first = text.split(|&byte| byte == 0).next().filter(|first| !first.is_empty())?;
    Some(shown(first))
}

/// The unit of systemd's own hierarchy, which is the only one of cgroup v2: `0::/system.slice/istio.service`.
fn unit(cgroups: &str) -> Option<String> {
    let paths = cgroups.lines().filter_map(|line| {
        let (hierarchy, path) = line.split_once(':')?.1.split_once(':')?;
        matches!(hierarchy, "" | "name=systemd").then_some(path)
    });
    let is_unit = |part: &&str| matches!(part.rsplit_once('.'), Some((_, "service" | "scope")));
    paths.filter_map(|path| path.split('/').find(is_unit)).map(visible).next()
}

/// `user@1000.service` holds all that a person runs: nobody wants it stopped.
fn is_service(unit: &str) -> bool {
    unit.ends_with(".service") && !unit.starts_with("user@")
}

fn user_name(passwd: impl BufRead, uid: u32) -> Option<String> {
    passwd.lines().map_while(Result::ok).find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| visible(name))
    })
}

/// Processes name themselves as they like.
fn shown(text: &[u8]) -> String {
    visible(&String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unit_in_each_kind_of_hierarchy() {
        for (cgroups, expected) in [
            ("0::/system.slice/istio.service\n", Some("istio.service")),
            ("0::/system.slice/system-getty.slice/getty@tty1.service\n", Some("getty@tty1.service")),
            ("0::/system.slice/onboarding-agent.service/sidecar\n", Some("onboarding-agent.service")),
            ("4:memory:/x.service\n1:name=systemd:/system.slice/istio.service\n0::/\n", Some("istio.service")),
            ("0::/user.slice/user-0.slice/session-3.scope\n", Some("session-3.scope")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", Some("user@1000.service")),
            ("4:memory:/system.slice/istio.service\n", None),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(unit(cgroups).as_deref(), expected, "{cgroups}");
        }
    }

    #[test]
    fn only_services_of_the_system_are_to_be_stopped() {
        let service = |unit: &str| {
            let unit = Some(unit.to_owned());
            let process =
                Process { pid: 1, name: String::new(), command: None, unit, of_our_service: false, owner: None };
            process.service().map(str::to_owned)
        };
        assert_eq!(service("istio.service").as_deref(), Some("istio"));
        assert_eq!(service("user@1000.service"), None);
        assert_eq!(service("session-3.scope"), None);
    }

    #[test]
    fn finds_a_user_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\n+\nistio-proxy:x:998:0::/:/bin/false\nother:x:998:0::/:\n";
        assert_eq!(user_name(passwd.as_bytes(), 998).as_deref(), Some("istio-proxy"));
        assert_eq!(user_name(passwd.as_bytes(), 99), None);
    }

    #[test]
    fn follows_parents_up_to_the_first_process() {
        assert_eq!(parent("Name:\tenvoy\nPid:\t67\nPPid:\t61\nTracerPid:\t0\n"), Some(61));
        assert_eq!(parent("Name:\tinit\nPPid:\t0\n"), None);
        assert_eq!(parent(""), None);
        let (this, above) = (std::process::id(), std::os::unix::process::parent_id());
        assert_eq!(lineage(this).take(2).collect::<Vec<_>>(), [this, above]);
        assert!(lineage(this).count() < DEEPEST);
    }

    #[test]
    fn knows_a_socket_by_its_link() {
        assert_eq!(socket_inode("socket:[48211]"), Some(48211));
        for link in ["pipe:[48211]", "/dev/null", "socket:[]", "socket:[1"] {
            assert_eq!(socket_inode(link), None, "{link}");
        }
    }
}
