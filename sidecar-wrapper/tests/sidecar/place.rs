//! A machine for one sidecar: a root with the files of the package, and a namespace to run it in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use testkit::namespace::{Namespace, exit_code};

const WRAPPER: &str = env!("CARGO_BIN_EXE_sidecar-wrapper");
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the wrapper is told that everything is.
pub(crate) struct Place {
    pub(crate) namespace: Namespace,
    dir: TempDir,
}

impl Place {
    /// With the files of the package, of the default revision.
    pub(crate) fn new() -> Self {
        let package = dist().join("install/deb/amd64/istio-sidecar.deb");
        let place = Self { namespace: Namespace::new(), dir: tempfile::tempdir().expect("a folder") };
        // Hard links: Envoy is large, and nobody writes to it.
        let root = place.root();
        place.namespace.run(&format!(
            "cp --archive --link {}/. {}",
            unpacked(&package).display(),
            root.to_str().expect("a folder of tests")
        ));
        place
    }

    /// What stands for `/`.
    pub(crate) fn root(&self) -> PathBuf {
        let root = self.dir.path().join("root");
        fs::create_dir_all(root.join("run")).expect("our own folder");
        root
    }

    /// A file of the test's own, with the absolute path.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("our own folder");
        fs::write(&path, text).expect("our own folder");
        path
    }

    /// Puts a program of the test's in the place of one of the package.
    pub(crate) fn replace(&self, path: &str, script: &str) {
        let path = self.root().join(path);
        // The link, and not what it leads to.
        let _ = fs::remove_file(&path);
        fs::write(&path, script).expect("our own folder");
        self.namespace.run(&format!("chmod 755 {}", path.display()));
    }

    /// `sidecar-wrapper run` with these arguments.
    pub(crate) fn run(&self, args: &[&str]) -> Wrapper {
        self.run_with_stdin(args, Stdio::null())
    }

    /// The same, with something on stdin.
    pub(crate) fn run_with_stdin(&self, args: &[&str], stdin: Stdio) -> Wrapper {
        self.start(&["setsid", WRAPPER], "log", args, stdin)
    }

    /// The same, beside another one, until it ends.
    pub(crate) fn run_to_end(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut wrapper = self.start(&["setsid", WRAPPER], "second-log", args, Stdio::null());
        (wrapper.exit_code(), wrapper.log())
    }

    /// The wrapper as the package has it.
    pub(crate) fn run_package_live(&self) -> Wrapper {
        let program = self.root().join("usr/bin/sidecar-wrapper");
        let program = program.to_str().expect("a folder of tests");
        let wrapper = self.start(&["setsid", program], "log", &[], Stdio::null());
        self.wait_live(&wrapper);
        wrapper
    }

    /// The wrapper as a user whom limits hold for, who may write nothing but its status.
    pub(crate) fn run_live_unprivileged(&self, args: &[&str]) -> Wrapper {
        let (program, runtime) = (self.file("sidecar-wrapper"), self.runtime_directory());
        fs::copy(WRAPPER, &program).expect("our own folder");
        self.namespace.run(&format!("chmod 755 {}; chown 4242 {}", self.dir.path().display(), runtime.display()));
        let program = program.to_str().expect("a folder of tests");
        let by = ["setsid", "setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups", program];
        let wrapper = self.start(&by, "log", args, Stdio::null());
        self.wait_live(&wrapper);
        wrapper
    }

    /// `run`, started by a program that is given before it.
    pub(crate) fn run_by(&self, by: &[&str], args: &[&str]) -> Wrapper {
        self.start(&[by, &[WRAPPER]].concat(), "log", args, Stdio::null())
    }

    /// In a session of its own, as from a service manager or a terminal, and with none of what this test was started with.
    fn start(&self, program: &[&str], log: &str, args: &[&str], stdin: Stdio) -> Wrapper {
        let log = self.file(log);
        let file = fs::File::create(&log).expect("our own folder");
        let mut command = self.namespace.command(program[0]);
        command.env_clear().env("PATH", PATH);
        command.args(&program[1..]).arg("run").arg("--root").arg(self.root()).args(args);
        command.stdin(stdin).stdout(file.try_clone().expect("it is open")).stderr(file);
        Wrapper { child: command.spawn().expect("nsenter is installed"), log }
    }

    /// Where the wrapper keeps its status; made, for those who put something there first.
    pub(crate) fn runtime_directory(&self) -> PathBuf {
        let directory = self.root().join("run/istio-sidecar");
        fs::create_dir_all(&directory).expect("our own folder");
        directory
    }

    /// Whether `sidecar-wrapper status` says that it is ready, and what it says.
    pub(crate) fn status(&self) -> (bool, String) {
        let mut command = self.namespace.command(env!("CARGO_BIN_EXE_sidecar-wrapper"));
        let output = command.arg("status").arg("--root").arg(self.root()).output().expect("nsenter is installed");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The process with that name, of which there must be one, as the namespace numbers it.
    #[track_caller]
    pub(crate) fn pid(&self, name: &str) -> String {
        let pids = self.namespace.run(&format!("pgrep -x {name}"));
        assert_eq!(pids.lines().count(), 1, "{name}: {pids:?}");
        pids.trim().to_owned()
    }

    /// The same, when Envoy says that it is live at the documented place.
    pub(crate) fn run_live(&self, args: &[&str]) -> Wrapper {
        let wrapper = self.run(args);
        self.wait_live(&wrapper);
        wrapper
    }

    pub(crate) fn wait_live(&self, wrapper: &Wrapper) {
        for _ in 0..400 {
            // The wrapper asks for itself, and may know a moment later.
            if self.live() && self.status().0 {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("it is never live: {}{}", self.status().1, wrapper.log());
    }

    pub(crate) fn live(&self) -> bool {
        self.namespace.try_run("curl -sf http://localhost:15000/ready").1 == "LIVE\n"
    }

    /// The processes whose names begin so, in order of their names, by the process IDs of the machine.
    pub(crate) fn host_pids(&self, name: &str) -> Vec<u32> {
        let mut found: Vec<(String, u32)> = fs::read_dir("/proc")
            .expect("Linux has it")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter_map(|pid| {
                let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
                let namespace = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
                (comm.starts_with(name) && namespace == self.namespace.pids()).then_some((comm, pid))
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, pid)| pid).collect()
    }

    pub(crate) fn signal(&self, signal: &str) {
        self.namespace.run(&format!("pkill -{signal} -x sidecar-wrapper"));
    }

    /// Ends it as systemd does; it must have been for the asking.
    pub(crate) fn stop(&self, wrapper: Wrapper) -> String {
        self.stop_beside(wrapper, &[])
    }

    /// The same, while other processes run.
    pub(crate) fn stop_beside(&self, mut wrapper: Wrapper, others: &[&str]) -> String {
        self.signal("TERM");
        assert_eq!(wrapper.exit_code(), Some(0), "{}", wrapper.log());
        assert_eq!(self.namespace.processes(), others);
        wrapper.log()
    }

    #[track_caller]
    pub(crate) fn assert_nothing_runs(&self) {
        assert_eq!(self.namespace.processes(), [""; 0]);
    }
}

/// A wrapper that was started. It ends with its namespace.
pub(crate) struct Wrapper {
    child: Child,
    log: PathBuf,
}

impl Wrapper {
    /// When it has ended.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        exit_code(&mut self.child, &self.log)
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_none()
    }

    /// Ends what its stdin is connected to.
    pub(crate) fn end_stdin(&mut self) {
        drop(self.child.stdin.take().expect("it has a pipe"));
    }

    /// Waits until it has printed `text` so many times.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str, times: usize) {
        let end = Instant::now() + Duration::from_secs(90);
        while self.log().matches(text).count() < times {
            assert!(Instant::now() < end, "{text:?} was not printed {times} times: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it printed until now, without Envoy's long lists of what it is made of.
    pub(crate) fn log(&self) -> String {
        let all = fs::read(&self.log).expect("our own file");
        let all = String::from_utf8_lossy(&all);
        all.split_inclusive('\n').filter(|line| !line.contains("]   envoy.")).collect()
    }
}

impl Drop for Wrapper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dist() -> PathBuf {
    std::env::var_os("SLIPWAY_DIST").expect("SLIPWAY_DIST names a dist tree: run `cargo xtask test`").into()
}

/// A package's files, unpacked once for all tests.
fn unpacked(package: &Path) -> PathBuf {
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let guard = ONCE.lock();
    let checksum = fs::read_to_string(package.with_extension("deb.sha256")).expect("a dist tree");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let files = folder.join(format!("sidecar-{}", &checksum[..16]));
    if !files.exists() {
        let unfinished = tempfile::tempdir_in(folder).expect("a folder of the build");
        let status = std::process::Command::new("dpkg-deb").arg("-x").arg(package).arg(unfinished.path()).status();
        assert!(status.expect("dpkg is installed").success());
        fs::rename(unfinished.keep(), &files).expect("both are in the same folder");
    }
    drop(guard);
    files
}
