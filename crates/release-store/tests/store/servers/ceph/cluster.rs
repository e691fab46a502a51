//! Ceph as Debian has it: a monitor, three OSDs that keep objects in memory, and two S3 gateways. All of it listens on the
//! loopback interface, needs no privilege, writes into one folder, and ends with the value.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use super::super::{
    BUCKET, PATIENCE, balancer, create_bucket,
    process::{Daemon, finish, free_port, listens},
    s3_options,
};
use crate::place::Place;

const OSDS: usize = 3;
const GATEWAYS: usize = 2;

/// Of all daemons. Nobody else can reach them.
const KEY: &str = "AQAAAAAAAAAAABAAZm9yIHRlc3RzIGFsb25lIQ==";

/// For the cluster to notice what happened to its OSDs.
const NOTICE_DEADLINE: Duration = Duration::from_mins(1);

pub(super) struct Ceph {
    // In the order in which they are stopped.
    gateways: Mutex<Vec<(u16, Daemon)>>,
    osds: Mutex<Vec<Daemon>>,
    _monitor: Daemon,
    balanced: u16,
    dir: TempDir,
}

impl Ceph {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, port) = (dir.path(), free_port());
        let fsid = uuid();
        fs::write(path.join("ceph.conf"), configuration(path, &fsid, port)).expect("our own folder");
        fs::write(path.join("keyring"), keyring()).expect("our own folder");
        let address = format!("[v2:127.0.0.1:{port}]");
        run(path, "monmaptool", &["--create", "--fsid", &fsid, "--addv", "a", &address, &in_dir(path, "monmap")]);
        run(path, "ceph-mon", &["-i", "a", "--mkfs", "--monmap", &in_dir(path, "monmap")]);
        let monitor = daemon(path, "ceph-mon", &["-i", "a"], "mon.log");

        let osds = (0..OSDS).map(|number| osd(path, &number.to_string())).collect();
        let mut ceph = Self { gateways: Mutex::default(), osds: Mutex::new(osds), _monitor: monitor, balanced: 0, dir };
        ceph.await_osds(OSDS);
        ceph.add_gateways();
        ceph
    }

    fn add_gateways(&mut self) {
        let path = self.dir.path();
        let user = ["user", "create", "--uid=test", "--display-name=test", "--access-key=test", "--secret=test"];
        run(path, "radosgw-admin", &user);
        let ports: Vec<_> = (0..GATEWAYS).map(|_| free_port()).collect();
        let start = |port: &u16| {
            let listen = format!("beast endpoint=127.0.0.1:{port}");
            (*port, daemon(path, "radosgw", &["--rgw-frontends", &listen], &format!("radosgw.{port}.log")))
        };
        let mut gateways: Vec<_> = ports.iter().map(start).collect();
        for (port, gateway) in &mut gateways {
            gateway.wait(|| listens(*port));
        }
        self.gateways = Mutex::new(gateways);
        create_bucket(ports[0], "test");
        self.balanced = balancer::before(ports);
    }

    pub(super) fn balanced_port(&self) -> u16 {
        self.balanced
    }

    /// Reached through both gateways.
    pub(super) fn balanced(&self) -> Place {
        place(self.balanced, PATIENCE)
    }

    /// Reached through both gateways, by somebody who does not wait long.
    pub(super) fn impatient(&self) -> Place {
        place(self.balanced, Duration::from_secs(4))
    }

    /// Reached through the gateway that [`Self::kill_gateway`] leaves.
    pub(super) fn surviving(&self) -> Place {
        let gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        place(gateways[0].0, PATIENCE)
    }

    pub(super) fn kill_gateway(&self) {
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner).truncate(GATEWAYS - 1);
    }

    pub(super) fn kill_osd(&self) {
        self.osds.lock().unwrap_or_else(PoisonError::into_inner).truncate(OSDS - 1);
    }

    /// Stops all OSDs but one, which is too few to read or write, or lets them go on.
    pub(super) fn signal_osds(&self, signal: Signal) {
        let osds = self.osds.lock().unwrap_or_else(PoisonError::into_inner);
        osds[1..].iter().for_each(|osd| osd.signal(signal));
    }

    /// Until the cluster counts so many OSDs.
    pub(super) fn await_osds(&self, wanted: usize) {
        let end = Instant::now() + NOTICE_DEADLINE;
        loop {
            let said = run(self.dir.path(), "ceph", &["osd", "stat", "--format", "json"]);
            // Warnings may stand before it.
            let json = said.lines().find(|line| line.starts_with('{')).unwrap_or("{}");
            let stat: serde_json::Value = serde_json::from_str(json).expect("JSON");
            if stat["num_up_osds"] == wanted {
                return;
            }
            assert!(Instant::now() < end, "{wanted} OSDs are wanted: {said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn place(port: u16, patience: Duration) -> Place {
    let mut options = s3_options(port);
    options.patience = patience;
    Place::server(&format!("s3://{BUCKET}"), options)
}

fn osd(dir: &Path, number: &str) -> Daemon {
    let id = uuid();
    run(dir, "ceph", &["osd", "new", &id, number]);
    fs::create_dir(dir.join(format!("osd.{number}"))).expect("our own folder");
    run(dir, "ceph-osd", &["-i", number, "--mkfs", "--osd-uuid", &id]);
    daemon(dir, "ceph-osd", &["-i", number], &format!("osd.{number}.log"))
}

fn command(dir: &Path, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(["--conf", &in_dir(dir, "ceph.conf")]).args(args);
    command.current_dir(dir).env_remove("CEPH_ARGS").env_remove("CEPH_KEYRING");
    command
}

fn daemon(dir: &Path, program: &str, args: &[&str], log: &str) -> Daemon {
    let mut command = command(dir, program, args);
    command.arg("-f");
    Daemon::start(&command, &dir.join(log))
}

fn run(dir: &Path, program: &str, args: &[&str]) -> String {
    finish(&command(dir, program, args), &dir.join("command.log"))
}

fn in_dir(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().expect("temporary folders have plain names").to_owned()
}

fn uuid() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux has it").trim().to_owned()
}

/// Every daemon that there will be, so that none has to be introduced to the running monitor.
fn keyring() -> String {
    let mut names = vec!["mon.".to_owned(), "client.admin".to_owned()];
    names.extend((0..OSDS).map(|number| format!("osd.{number}")));
    names.iter().fold(String::new(), |keyring, name| {
        keyring + &format!("[{name}]\nkey = {KEY}\ncaps mon = \"allow *\"\ncaps osd = \"allow *\"\n")
    })
}

fn configuration(dir: &Path, fsid: &str, port: u16) -> String {
    format!(include_str!("ceph.conf"), dir = dir.display(), fsid = fsid, port = port,)
}
