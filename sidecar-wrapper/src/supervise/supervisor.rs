//! The loop that turns what happens into what is done.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::mpsc::{self, Receiver, Sender},
    time::{Duration, Instant},
};

use rustix::process::Pid;

use super::{
    Policy,
    endings::Exit,
    incoming::{self, Incoming},
    notify,
    probe::Answer,
    record::Record,
    run::{Outputs, Run},
    state::{Event, State},
};
use crate::{
    backoff::{self, Backoff},
    ending::Ending,
    keep::{self, KeepEvent},
    launch::Launch,
    relay::Level,
    signals::{Meaning, Signals},
    text::visible,
};

/// Looks after one sidecar.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) launch: Launch,
    pub(super) policy: Policy,
    pub(super) outputs: Outputs,
    pub(super) address_file: PathBuf,
    pub(super) record: Record,
    signals: Signals,
    /// Children that this process had before: they are none of the sidecar's.
    pub(super) inherited: Vec<Pid>,
    watchdog: Option<Duration>,
    pub(super) sender: Sender<Incoming>,
    receiver: Receiver<Incoming>,
    pub(super) state: State,
    pub(super) deadline: Option<Instant>,
    pub(super) runs: u32,
    pub(super) run: Option<Run>,
    pub(super) backoff: Backoff,
    /// How long the next pause is.
    pub(super) pause: Duration,
    /// What the sidecar said when it was asked last.
    pub(super) says: String,
    pub(super) conflict: bool,
    pub(super) unwritten: bool,
    pub(super) admin: Option<SocketAddr>,
}

impl Supervisor {
    /// Hears signals from here on, and the end of stdin if that is wanted. `address_file` is for Envoy to write to.
    pub fn new(
        launch: Launch,
        policy: Policy,
        outputs: Outputs,
        record: Record,
        address_file: PathBuf,
        until_stdin_ends: bool,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let signals = Signals::of_this_process();
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        incoming::listen_to_signals(sender.clone())?;
        if until_stdin_ends {
            incoming::listen_to_stdin(sender.clone())?;
        }
        Ok(Self {
            launch,
            policy,
            outputs,
            address_file,
            record,
            signals,
            inherited: keep::children()?,
            watchdog: notify::watchdog(),
            sender,
            receiver,
            state: State::Starting,
            deadline: None,
            runs: 0,
            run: None,
            backoff: Backoff::new(backoff::Policy { budget: policy.restarts, ..backoff::Policy::default() }),
            pause: Duration::ZERO,
            says: String::new(),
            conflict: false,
            unwritten: false,
            admin: None,
        })
    }

    /// Until nothing runs any more. Must be called by a thread that lives as long as the program.
    #[must_use]
    pub fn run(mut self) -> Exit {
        let mut next = self.start();
        let mut watchdog = Instant::now();
        loop {
            if let Some(event) = next.take() {
                next = self.advance(event);
                continue;
            }
            if let State::Done(outcome) = self.state {
                return self.end(outcome);
            }
            if let Some(period) = self.watchdog
                && Instant::now() >= watchdog
            {
                notify::alive();
                watchdog = Instant::now() + period;
            }
            // Before anything else: a stream of other events must not keep it away.
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                next = Some(Event::Overdue);
                continue;
            }
            let until = [self.deadline, self.watchdog.map(|_| watchdog)].into_iter().flatten().min();
            next = self.receive(until).and_then(|incoming| self.take(incoming));
        }
    }

    fn receive(&self, until: Option<Instant>) -> Option<Incoming> {
        let Some(until) = until else { return self.receiver.recv().ok() };
        self.receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
    }

    /// What it means; what is no event for the state is done here.
    fn take(&mut self, incoming: Incoming) -> Option<Event> {
        match incoming {
            Incoming::Signal(signal) => match self.signals.meaning(signal) {
                Meaning::Stop => Some(Event::Stop),
                Meaning::Reopen => {
                    self.reopen();
                    None
                }
                Meaning::Nothing => {
                    self.say(Level::Info, format!("signal {signal} means nothing here"));
                    None
                }
            },
            Incoming::StdinEnded => {
                self.say(Level::Info, "stdin ended: nobody wants the sidecar any more");
                Some(Event::Stop)
            }
            Incoming::Answer { run, answer } if self.is_current(run) => Some(self.answered(answer)),
            Incoming::InFlight { run, requests } if self.is_current(run) => {
                self.tell(format!("draining: {requests} in flight"));
                None
            }
            Incoming::Drained { run } if self.is_current(run) => Some(Event::Drained),
            Incoming::Keep { run, event } if self.is_current(run) => self.kept(event),
            Incoming::Answer { .. } | Incoming::InFlight { .. } | Incoming::Drained { .. } | Incoming::Keep { .. } => {
                None
            }
        }
    }

    fn is_current(&self, number: u32) -> bool {
        self.run.as_ref().is_some_and(|run| run.number == number)
    }

    fn answered(&mut self, Answer { ready, says, admin }: Answer) -> Event {
        self.admin = admin.or(self.admin);
        self.says = visible(&says);
        if ready {
            if let Some(run) = &mut self.run {
                run.was_ready = true;
            }
            return Event::Answered;
        }
        // If it was ready until now, the next state says it.
        if self.state != State::Ready {
            self.tell_what_it_says();
        }
        Event::Unanswered
    }

    fn kept(&mut self, event: KeepEvent) -> Option<Event> {
        let main = self.launch.main;
        let run = self.run.as_mut()?;
        match event {
            KeepEvent::Started { pid } => {
                run.pid = Some(pid);
                let written = self.record.runs(&self.launch.program, pid);
                self.written(written);
                None
            }
            KeepEvent::Failed(error) => {
                self.say_not_started(&error);
                None
            }
            KeepEvent::Ended { status } => {
                run.ending = Ending::from_raw(status);
                None
            }
            KeepEvent::Swept { killed: 0 } => None,
            KeepEvent::Swept { killed } => {
                self.say(Level::Warning, format!("{main} left {killed} processes: they were killed"));
                None
            }
            KeepEvent::Gone { clean } => Some(self.gone(clean)),
        }
    }
}
