//! One run of the main process, from its start until nothing of it is left.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, mpsc::Sender},
    time::{Duration, Instant},
};

use super::{
    drain::Watcher,
    incoming::Incoming,
    probe::{self, Answer, Probe, Target},
};
use crate::{
    ending::{Ending, MemoryWatch},
    keep::Keeper,
    launch::{Launch, Main},
    relay::{self, Level, Output, Relay, Stream},
};

/// Where what the sidecar prints goes.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// What it prints on stdout.
    pub stdout: Arc<Output>,
    /// What it prints on stderr.
    pub stderr: Arc<Output>,
    /// The wrapper's own stderr, for what the wrapper has to say.
    pub own: Arc<Output>,
}

/// A run that has not ended.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) number: u32,
    pub(super) keeper: Keeper,
    pub(super) since: Instant,
    pub(super) pid: Option<u32>,
    /// Whether it has been ready at any time.
    pub(super) was_ready: bool,
    pub(super) ending: Option<Ending>,
    pub(super) memory: MemoryWatch,
    probe: Option<Probe>,
    stdout: Relay,
    stderr: Relay,
}

impl Run {
    /// Starts what `launch` says. `address_file` is where Envoy writes the address of its administration.
    pub(super) fn start(
        number: u32,
        launch: &Launch,
        address_file: &Path,
        outputs: &Outputs,
        sender: &Sender<Incoming>,
    ) -> io::Result<Self> {
        let launch = with_address_file(launch, address_file)?;
        let (stdout, stdout_end) = relay::pipe()?;
        let (stderr, stderr_end) = relay::pipe()?;
        let stdout = Relay::start(stdout, Stream::Stdout, Arc::clone(&outputs.stdout), Arc::clone(&outputs.own))?;
        let stderr = Relay::start(stderr, Stream::Stderr, Arc::clone(&outputs.stderr), Arc::clone(&outputs.own))?;
        let memory = MemoryWatch::now();
        let since = Instant::now();
        // Before the sidecar: if there is no thread for it, nothing has to be ended.
        let target = match launch.main {
            Main::PilotAgent { status_port } => Target::PilotAgent { port: status_port },
            Main::Envoy => Target::Envoy { address_file: address_file.to_owned(), bootstrap: launch.admin },
        };
        let listener = Listener { run: number, sender: sender.clone(), own: Arc::clone(&outputs.own) };
        let probe = Probe::start(target, listener)?;
        let tell = sender.clone();
        let keeper = Keeper::start(&launch, stdout_end, stderr_end, move |event| {
            let _ = tell.send(Incoming::Keep { run: number, event });
        })?;
        Ok(Self {
            number,
            keeper,
            since,
            pid: None,
            was_ready: false,
            ending: None,
            memory,
            probe: Some(probe),
            stdout,
            stderr,
        })
    }

    /// Lets Envoy finish what it has in flight; pilot-agent does that by itself when it is told to end.
    pub(super) fn drain(&mut self, main: Main, admin: Option<SocketAddr>, minimum: Duration) {
        if let (Main::Envoy, Some(probe)) = (main, &self.probe) {
            probe.drain(admin, minimum);
        } else {
            // It will say that it is not ready, as it should.
            self.probe = None;
            self.keeper.terminate();
        }
    }

    /// Nothing is asked any more: it is told to end.
    pub(super) fn hush(&mut self) {
        self.probe = None;
    }

    /// Waits for the last lines, and gives the last error among them.
    pub(super) fn finish(mut self, within: Duration) -> Option<String> {
        let end = Instant::now() + within;
        // If whoever reads them has stopped, the threads go on as long as this program does.
        let _ = self.stdout.finish(within);
        let _ = self.stderr.finish(end.saturating_duration_since(Instant::now()));
        self.stderr.last_error().or_else(|| self.stdout.last_error())
    }
}

/// What a probe says goes to the loop, and to the log.
struct Listener {
    run: u32,
    sender: Sender<Incoming>,
    own: Arc<Output>,
}

impl Watcher for Listener {
    fn waits_for(&self, requests: u64) {
        self.send(Incoming::InFlight { run: self.run, requests });
    }

    fn warn(&self, message: &str) {
        self.own.say(Level::Warning, message);
    }
}

impl probe::Listener for Listener {
    fn answered(&self, answer: Answer) {
        self.send(Incoming::Answer { run: self.run, answer });
    }

    fn drained(&self) {
        self.send(Incoming::Drained { run: self.run });
    }
}

impl Listener {
    fn send(&self, incoming: Incoming) {
        // Nobody listens any more when all is done.
        let _ = self.sender.send(incoming);
    }
}

/// Envoy says in `file` where its administration is, also if its bootstrap leaves the port to the system.
fn with_address_file(launch: &Launch, file: &Path) -> io::Result<Launch> {
    let mut launch = launch.clone();
    if launch.main == Main::Envoy {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io::Error::new(error.kind(), format!("cannot remove {}: {error}", file.display())));
            }
            _ => {}
        }
        launch.args.extend(["--admin-address-path".into(), file.into()]);
    }
    Ok(launch)
}
