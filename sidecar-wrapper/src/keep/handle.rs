//! The wrapper's side of the keeper.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use super::{Order, Report};
use crate::launch::Launch;

/// A keeper that runs, and with it what it keeps. It is told to end all when this value goes.
#[derive(Debug)]
pub struct Keeper {
    socket: UnixStream,
    /// Waited for by the thread that listens to it.
    process: Arc<Mutex<Child>>,
}

/// What becomes of what a keeper keeps, in the order in which it happens. [`KeepEvent::Gone`] is always the last.
#[derive(Debug)]
pub enum KeepEvent {
    /// The main process was started.
    Started {
        /// Its process ID.
        pid: u32,
    },
    /// It could not be started.
    Failed(io::Error),
    /// The main process ended, with that raw status of wait(2).
    Ended {
        /// See above.
        status: i32,
    },
    /// All that it left was killed.
    Swept {
        /// So many processes.
        killed: u32,
    },
    /// The keeper has ended.
    Gone {
        /// Whether nothing is left. If not, its orphans are this process's now: see [`super::sweep`].
        clean: bool,
    },
}

impl Keeper {
    /// Starts what `launch` says, with `stdout` and `stderr` as its own; `tell` is called from a thread of the keeper's.
    ///
    /// Must be called by a thread that lives as long as this program.
    pub fn start(
        launch: &Launch,
        stdout: OwnedFd,
        stderr: OwnedFd,
        tell: impl FnMut(KeepEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let (socket, keepers) = UnixStream::pair()?;
        let reports = socket.try_clone()?;
        let process = Command::new("/proc/self/exe")
            .arg0("sidecar-wrapper")
            .args(["keep", "--"])
            .arg(&launch.program)
            .args(&launch.args)
            .env_clear()
            .envs(&launch.env)
            .current_dir(&launch.directory)
            .stdin(Stdio::from(OwnedFd::from(keepers)))
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()?;
        let process = Arc::new(Mutex::new(process));
        let keeper = Self { socket, process: Arc::clone(&process) };
        let listener = Arc::clone(&process);
        let listening = thread::Builder::new()
            .name("keeper".to_owned())
            .stack_size(64 << 10)
            .spawn(move || listen(reports, &listener, tell));
        if let Err(error) = listening {
            drop(keeper);
            // It ends at once, and nobody else would wait for it.
            let _ = lock(&process).wait();
            return Err(error);
        }
        Ok(keeper)
    }

    /// Asks the main process to end.
    pub fn terminate(&self) {
        self.order(Order::Terminate);
    }

    /// Kills all that is kept.
    pub fn kill(&self) {
        self.order(Order::Kill);
    }

    /// For one that does not do it.
    pub fn kill_itself(&self) {
        // It does nothing to one that was waited for.
        let _ = lock(&self.process).kill();
    }

    fn order(&self, order: Order) {
        // A keeper that is gone has nothing left to signal.
        let _ = (&self.socket).write_all(&[order.byte()]);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The thread that listens has the same socket, so closing this one would not do.
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

fn lock(process: &Mutex<Child>) -> MutexGuard<'_, Child> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(reports: UnixStream, process: &Mutex<Child>, mut tell: impl FnMut(KeepEvent)) {
    let mut clean = false;
    for line in BufReader::with_capacity(256, reports).lines() {
        // The keeper's end, in the middle of a line or not.
        let Ok(report) = line.and_then(|line| Ok(serde_json::from_str(&line)?)) else { break };
        tell(match report {
            Report::Started { pid } => KeepEvent::Started { pid },
            Report::Failed { errno } => {
                // There is nothing to be left.
                clean = true;
                KeepEvent::Failed(io::Error::from_raw_os_error(errno))
            }
            Report::Ended { status } => KeepEvent::Ended { status },
            Report::Swept { killed } => {
                clean = true;
                KeepEvent::Swept { killed }
            }
        });
    }
    // Nobody else waits for it, and what it said is all there is to know.
    let _ = lock(process).wait();
    tell(KeepEvent::Gone { clean });
}
