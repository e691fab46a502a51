//! What is done when a state is entered.

use std::time::{Duration, Instant};

use super::{
    KILL,
    endings::LAST_LINES,
    notify,
    run::Run,
    state::{Event, State},
    supervisor::Supervisor,
};
use crate::{preflight, relay::Level};

impl Supervisor {
    pub(super) fn advance(&mut self, event: Event) -> Option<Event> {
        let next = self.state.after(event);
        if next == self.state {
            return None;
        }
        self.state = next;
        self.deadline = None;
        self.enter()
    }

    /// Does what the state is for; what comes of it at once is the next event.
    fn enter(&mut self) -> Option<Event> {
        let main = self.launch.main;
        match self.state {
            State::Starting => return self.start(),
            State::Ready => {
                let since = self.run.as_ref().map(|run| run.since.elapsed()).unwrap_or_default();
                self.note(None);
                notify::ready("ready");
                self.say(Level::Info, format!("{main} is ready after {} ms", since.as_millis()));
            }
            State::NotReady => {
                self.say(Level::Warning, format!("{main} is no longer ready: {}", self.says));
                self.tell_what_it_says();
            }
            State::Draining => {
                self.end_within(self.policy.drain);
                self.stopping();
                let admin = self.admin;
                if let Some(run) = &mut self.run {
                    run.drain(main, admin, self.policy.drain_minimum);
                }
            }
            State::Stopping => {
                self.end_within(self.policy.stop);
                self.stopping();
                if let Some(run) = &mut self.run {
                    run.hush();
                    run.keeper.terminate();
                }
            }
            State::Killing => {
                self.end_within(KILL);
                self.say(Level::Warning, format!("{main} does not end: killing it"));
                self.tell("killing");
                if let Some(run) = &self.run {
                    run.keeper.kill();
                }
            }
            State::Forcing => {
                self.end_within(KILL);
                self.say(Level::Warning, "the keeper does not do it: killing it, too");
                if let Some(run) = &self.run {
                    run.keeper.kill_itself();
                }
            }
            State::Waiting => {
                self.end_within(self.pause);
                let message = format!("starting {main} again in {:.1} s", self.pause.as_secs_f32());
                self.say(Level::Info, &message);
                self.tell(message);
            }
            State::Done(_) => {}
        }
        None
    }

    fn end_within(&mut self, limit: Duration) {
        self.deadline = Some(Instant::now() + limit);
    }

    pub(super) fn start(&mut self) -> Option<Event> {
        self.runs += 1;
        self.record.begins(self.runs - 1);
        self.admin = self.launch.admin;
        self.says.clear();
        let main = self.launch.main;
        self.tell(format!("starting {main}"));
        if let Err(conflicts) = preflight::check(&self.launch.ports, self.launch.sds_socket.as_deref()) {
            for conflict in conflicts.as_slice() {
                self.say(Level::Error, format!("cannot start {main}: {conflict}"));
            }
            for hint in conflicts.hints() {
                self.say(Level::Error, format!("hint: {hint}"));
            }
            self.conflict = self.runs == 1;
            return Some(self.failed(Duration::ZERO, self.conflict));
        }
        match Run::start(self.runs, &self.launch, &self.address_file, &self.outputs, &self.sender) {
            Ok(run) => {
                self.run = Some(run);
                None
            }
            Err(error) => {
                self.say_not_started(&error);
                Some(self.failed(Duration::ZERO, false))
            }
        }
    }

    /// A stop was begun.
    fn stopping(&mut self) {
        let main = self.launch.main;
        let message = match self.state {
            State::Draining => format!("draining {main} for at most {} s", self.policy.drain.as_secs()),
            // As it is when systemd has waited long enough.
            _ if self.run.as_ref().is_some_and(|run| !run.was_ready) => {
                format!("stopping {main}, which has not been ready: it says: {}", self.says)
            }
            _ => format!("stopping {main}"),
        };
        self.say(Level::Info, &message);
        notify::stopping(&message, self.policy.drain + self.policy.stop + 2 * KILL + LAST_LINES);
        self.note(Some(&message));
    }
}
