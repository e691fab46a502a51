//! Who writes next.
//!
//! Writers get their turns in the order in which they asked. A writer whose line has not ended goes first, so that lines
//! stay whole: only lines longer than a buffer are written in parts. Whoever has waited [`PATIENCE`] for the end of
//! another's line may break it.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a line of megabytes may take before another writer ends it. A child that prints one does so without a pause.
const PATIENCE: Duration = Duration::from_millis(250);

/// One writer, for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriterId(pub(super) u64);

#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    writing: bool,
    /// Its line has not ended.
    line_of: Option<WriterId>,
    queue: VecDeque<WriterId>,
    sleepers: usize,
}

/// Lasts until it is dropped; no other writer writes meanwhile.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    owner: WriterId,
    goes_on: bool,
    ends_inside: bool,
}

impl Turns {
    /// Waits for a turn, at most until `deadline`.
    pub(super) fn take(&self, who: WriterId, deadline: Option<Instant>) -> Option<Turn<'_>> {
        let since = Instant::now();
        let mut state = self.lock();
        loop {
            let mine = state.line_of == Some(who);
            if !mine && !state.queue.contains(&who) {
                state.queue.push_back(who);
            }
            let next = mine || state.queue.front() == Some(&who);
            let until_break = match state.line_of {
                Some(_) if !mine => PATIENCE.saturating_sub(since.elapsed()),
                _ => Duration::ZERO,
            };
            if !state.writing && next && until_break.is_zero() {
                state.queue.retain(|&waiting| waiting != who);
                state.writing = true;
                return Some(Turn { turns: self, owner: who, goes_on: mine, ends_inside: false });
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                state.queue.retain(|&waiting| waiting != who);
                self.changed.notify_all();
                return None;
            }
            // While another one writes, its end wakes us; who is not next is woken by the one before.
            let patience = (!state.writing && next).then_some(until_break);
            state.sleepers += 1;
            state = match left.into_iter().chain(patience).min() {
                Some(limit) => self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.sleepers -= 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Whether the writer's line of its last turn has not ended and nobody broke it.
    pub(super) const fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// The next bytes of this writer belong to the same line.
    pub(super) const fn ends_inside_a_line(&mut self) {
        self.ends_inside = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.writing = false;
        state.line_of = self.ends_inside.then_some(self.owner);
        if state.sleepers > 0 {
            self.turns.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const A: WriterId = WriterId(1);
    const B: WriterId = WriterId(2);

    #[test]
    fn a_line_that_has_not_ended_goes_first_but_not_for_ever() {
        let turns = Turns::default();
        turns.take(A, None).expect("free").ends_inside_a_line();
        let soon = Instant::now() + PATIENCE / 10;
        assert!(turns.take(B, Some(soon)).is_none());
        assert!(turns.take(A, None).expect("its own line").goes_on());
        turns.take(A, None).expect("free").ends_inside_a_line();
        assert!(!turns.take(B, None).expect("after a while").goes_on());
        assert!(!turns.take(A, None).expect("free").goes_on(), "somebody broke the line");
    }

    #[test]
    fn nobody_who_waits_is_passed() {
        let turns = Turns::default();
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = turns.take(A, None).expect("free");
            scope.spawn(|| {
                let _turn = turns.take(B, None).expect("its turn");
                order.lock().expect("no panic").push(B);
            });
            while turns.lock().queue.is_empty() {
                thread::yield_now();
            }
            drop(first);
            let _turn = turns.take(A, None).expect("its turn");
            order.lock().expect("no panic").push(A);
        });
        assert_eq!(*order.lock().expect("no panic"), [B, A]);
    }

    #[test]
    fn who_gave_up_is_not_waited_for() {
        let turns = Turns::default();
        let first = turns.take(A, None).expect("free");
        assert!(turns.take(B, Some(Instant::now())).is_none());
        drop(first);
        assert!(turns.take(A, Some(Instant::now())).is_some());
    }
}
