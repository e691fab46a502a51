//! Copies one pipe until its end.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
};

use super::{
    level::{Level, Levels},
    lines::{LastError, count, lines},
    outage::{self, Fate, Outage},
    output::{Form, Output, Start},
    sink::WriteFault,
    turn::WriterId,
};

/// What a stream holds in memory at most: all of it is what was read, or half of it with levels beside it.
const BUFFER: usize = 64 * 1024;
/// A line as long as what is read fits with its level.
const FRAMED: usize = BUFFER / 2 + Level::PREFIX;

/// An output and this stream's place among its writers.
#[derive(Debug)]
struct Target {
    output: Arc<Output>,
    who: WriterId,
}

impl Target {
    fn new(output: Arc<Output>) -> Self {
        let who = output.writer();
        Self { output, who }
    }
}

/// One stream on its way.
#[derive(Debug)]
pub(super) struct Copier {
    pipe: OwnedFd,
    output: Target,
    /// None if it is the output itself.
    fallback: Option<Target>,
    levels: Levels,
    /// The last batch ended inside a line.
    inside: bool,
    last_error: Arc<LastError>,
    /// Lines with their levels, in the journal's form alone.
    framed: Vec<u8>,
}

/// Why reading stopped.
enum Pause {
    /// The pipe has ended.
    End,
    /// Nobody waits for the end any longer.
    Left,
}

impl Copier {
    /// `pipe` must not block.
    pub(super) fn new(
        pipe: OwnedFd,
        unknown: Level,
        output: Arc<Output>,
        fallback: Arc<Output>,
        last_error: Arc<LastError>,
    ) -> Self {
        Self {
            pipe,
            fallback: (!Arc::ptr_eq(&output, &fallback)).then(|| Target::new(fallback)),
            output: Target::new(output),
            levels: Levels::new(unknown),
            inside: false,
            last_error,
            framed: Vec::new(),
        }
    }

    /// Copies until the end. When `left` hangs up, what has no line end yet is written as a line, `flushed` is called, and
    /// the copying goes on: a process that outlives the run may still have the pipe.
    pub(super) fn run(mut self, left: &OwnedFd, flushed: impl FnOnce()) {
        let size = match self.output.output.form() {
            Form::Plain => BUFFER,
            Form::Journal => {
                self.framed.reserve_exact(FRAMED);
                BUFFER / 2
            }
        };
        let mut buffer = vec![0; size];
        if let Pause::Left = self.copy(&mut buffer, Some(left)) {
            flushed();
            self.copy(&mut buffer, None);
        }
        self.settle();
    }

    fn copy(&mut self, buffer: &mut [u8], left: Option<&OwnedFd>) -> Pause {
        // How much of the buffer's head is the start of a line.
        let mut held = 0;
        loop {
            let read = match rustix::io::read(&self.pipe, &mut buffer[held..]) {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => match self.wait(left) {
                    Some(pause) => {
                        self.emit_last(&buffer[..held]);
                        return pause;
                    }
                    None => continue,
                },
                // A pipe has no other errors to read; its end is the only thing to make of one.
                Ok(0) | Err(_) => {
                    self.emit_last(&buffer[..held]);
                    return Pause::End;
                }
                Ok(read) => read,
            };
            let end = held + read;
            // Only the new bytes can have a line end.
            let whole = match memchr::memrchr(b'\n', &buffer[held..end]) {
                Some(last) => held + last + 1,
                // A line longer than the buffer goes on its way in parts.
                None if self.inside || end == buffer.len() => end,
                None => 0,
            };
            self.emit(&buffer[..whole]);
            buffer.copy_within(whole..end, 0);
            held = end - whole;
        }
    }

    /// Waits for more, or for a reason to stop.
    fn wait(&self, left: Option<&OwnedFd>) -> Option<Pause> {
        let pipe = PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN);
        let outcome = match left {
            None => rustix::event::poll(&mut [pipe], None).map(|_| false),
            Some(left) => {
                let mut both = [pipe, PollFd::from_borrowed_fd(left.as_fd(), PollFlags::IN)];
                // What is in the pipe is copied first.
                rustix::event::poll(&mut both, None)
                    .map(|_| both[0].revents().is_empty() && !both[1].revents().is_empty())
            }
        };
        match outcome {
            Ok(true) => Some(Pause::Left),
            Ok(false) | Err(Errno::INTR) => None,
            Err(_) => Some(Pause::End),
        }
    }

    /// What comes last gets a line end if it has none.
    fn emit_last(&mut self, held: &[u8]) {
        self.emit(held);
        if self.inside {
            self.emit(b"\n");
        }
    }

    /// Sends whole lines, or a part of a long one, on their way.
    fn emit(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let before = (self.levels, self.start());
        let mut newest_error = None;
        match self.output.output.form() {
            Form::Plain => {
                for (line, begins) in lines(text, before.1) {
                    if begins {
                        note(&mut newest_error, &mut self.levels, line);
                    }
                }
                self.deliver(before, text, text);
            }
            Form::Journal => {
                let mut framed = std::mem::take(&mut self.framed);
                let mut batch = (before, 0);
                let mut at = 0;
                for (line, begins) in lines(text, before.1) {
                    if !framed.is_empty() && framed.len() + line.len() + Level::PREFIX > FRAMED {
                        self.deliver(batch.0, &text[batch.1..at], &framed);
                        framed.clear();
                        batch = ((self.levels, Start::Line), at);
                    }
                    if begins {
                        let level = note(&mut newest_error, &mut self.levels, line);
                        framed.extend_from_slice(level.prefix());
                    }
                    framed.extend_from_slice(line);
                    at += line.len();
                }
                self.deliver(batch.0, &text[batch.1..], &framed);
                framed.clear();
                self.framed = framed;
            }
        }
        if let Some(line) = newest_error {
            self.last_error.set(line);
        }
        self.inside = !text.ends_with(b"\n");
    }

    fn start(&self) -> Start {
        if self.inside { Start::Inside(self.levels.previous()) } else { Start::Line }
    }

    /// Writes `framed`, which is `text` in the output's form; `before` is what was so at its start.
    fn deliver(&self, before: (Levels, Start), text: &[u8], framed: &[u8]) {
        let Target { output, who } = &self.output;
        match output.write(*who, before.1, framed) {
            Ok(None) => {}
            Ok(Some(outage)) => self.say_over(outage),
            Err(fault) => self.divert(before, text, &fault),
        }
    }

    fn say_over(&self, outage: Outage) {
        let output = &self.output.output;
        let place = self.fallback.as_ref().map_or(output, |fallback| &fallback.output);
        place.say(Level::Notice, &format!("{} can be written to again; {outage}", output.name()));
    }

    /// Finds another place for the lines of `text` that the output has not taken.
    fn divert(&self, (mut levels, start): (Levels, Start), text: &[u8], fault: &WriteFault) {
        let output = &self.output.output;
        let mut rest = lines(text, start);
        for (line, begins) in rest.by_ref().take(fault.lines) {
            if begins {
                levels.next(line);
            }
        }
        let start = if fault.lines == 0 { start } else { Start::Line };
        let rest = rest.text;
        let fate = match self.fallback {
            Some(_) if !fault.no_reader() => Fate::Diverted,
            _ => Fate::Dropped,
        };
        if output.outages().count(fate, 0)
            && let Some(fallback) = &self.fallback
        {
            fallback.output.say(Level::Error, &outage::start(output.name(), fault.error, fate));
        }
        let (diverted, dropped) = match &self.fallback {
            Some(fallback) if fate == Fate::Diverted => {
                let taken = match fallback.output.form() {
                    Form::Plain => fallback.output.write(fallback.who, start, rest),
                    Form::Journal => {
                        let mut framed = Vec::with_capacity(rest.len() + rest.len() / 16);
                        for (line, begins) in lines(rest, start) {
                            if begins {
                                framed.extend_from_slice(levels.next(line).level.prefix());
                            }
                            framed.extend_from_slice(line);
                        }
                        fallback.output.write(fallback.who, start, &framed)
                    }
                };
                let all = count(rest);
                let taken = taken.map_or_else(|fault| fault.lines as u64, |_| all);
                (taken, all - taken)
            }
            _ => (0, count(rest)),
        };
        output.outages().count(Fate::Diverted, diverted);
        output.outages().count(Fate::Dropped, dropped);
    }

    /// Says what an outage has cost that nobody has said the end of.
    fn settle(&self) {
        let output = &self.output.output;
        if let Some(outage) = output.outages().settle() {
            return self.say_over(outage);
        }
        let dropped = output.outages().dropped();
        if let Some(fallback) = &self.fallback
            && dropped > 0
        {
            let text = format!("{} still takes nothing; lines dropped so far: {dropped}", output.name());
            fallback.output.say(Level::Error, &text);
        }
    }
}

/// Takes a line's level, and remembers the line if it is an error.
fn note<'a>(newest_error: &mut Option<&'a [u8]>, levels: &mut Levels, line: &'a [u8]) -> Level {
    let verdict = levels.next(line);
    // What continues a line explains it; the reason itself is in the line before.
    if verdict.own && verdict.level <= Level::Error {
        *newest_error = Some(line);
    }
    verdict.level
}
