//! Lets what is in flight through Envoy finish.

use std::{
    net::SocketAddr,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::{
    http::Client,
    probe::Order,
    statistics::{InFlight, in_flight, refusal},
};

const PAUSE: Duration = Duration::from_millis(50);

/// Whom a drain tells how it goes.
pub(super) trait Watcher {
    /// So much is in flight; told when it changes.
    fn waits_for(&self, requests: u64);
    /// Something that people should know.
    fn warn(&self, message: &str);
}

/// One drain. It is given up when nobody holds the other end of `orders` any more.
pub(super) struct Drain<'a> {
    pub(super) client: &'a Client,
    pub(super) admin: SocketAddr,
    pub(super) minimum: Duration,
    pub(super) watcher: &'a dyn Watcher,
    pub(super) orders: &'a Receiver<Order>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Cancelled,
}

impl Drain<'_> {
    /// Tells Envoy to say farewell: its health turns bad, responses close their connections, and HTTP/2 clients are told to go.
    /// Whoever comes within the minimum is served. Done when nothing is in flight after that. An Envoy that does not answer is asked
    /// again: it may be too busy with what is in flight. Whoever cancels this bounds it.
    pub(super) fn run(&self) -> Ended {
        let end = Instant::now() + self.minimum;
        // Without `skip_exit`, Envoy would close its listeners after a time of its own, which may be sooner.
        if self.tell(&["/healthcheck/fail", "/drain_listeners?graceful&skip_exit"]) == Ended::Cancelled {
            return Ended::Cancelled;
        }
        let mut uncounted = false;
        // Not until nothing is in flight: under load that never comes while others are let in.
        if self.wait(|_| Instant::now() >= end, &mut uncounted) == Ended::Cancelled {
            return Ended::Cancelled;
        }
        // What came in the meantime is let finish, too; nothing comes from here on.
        if self.tell(&["/drain_listeners"]) == Ended::Cancelled {
            return Ended::Cancelled;
        }
        self.wait(|idle| idle >= 2, &mut uncounted)
    }

    /// Tells it all of these.
    fn tell(&self, paths: &[&str]) -> Ended {
        for path in paths {
            loop {
                match self.client.post(self.admin, path) {
                    Ok(reply) if reply.status == 200 => break,
                    Ok(reply) => {
                        self.watcher.warn(&format!("cannot drain as it should be: {}", refusal(path, reply.status)));
                        break;
                    }
                    Err(_) if is_cancelled(self.orders, PAUSE) => return Ended::Cancelled,
                    Err(_) => {}
                }
            }
        }
        Ended::Done
    }

    /// Until it is `enough`, which is told how many times in a row nothing was in flight.
    fn wait(&self, enough: impl Fn(u32) -> bool, uncounted: &mut bool) -> Ended {
        let (mut idle, mut last) = (0_u32, 0);
        loop {
            match in_flight(self.client, self.admin) {
                Ok(InFlight::Count(busy)) => {
                    if busy != last {
                        self.watcher.waits_for(busy);
                        last = busy;
                    }
                    idle = if busy == 0 { idle.saturating_add(1) } else { 0 };
                }
                Ok(InFlight::Unknown(why)) => {
                    idle = 0;
                    if !*uncounted {
                        *uncounted = true;
                        self.watcher
                            .warn(&format!("what is in flight cannot be counted: {why}; waiting for --drain-timeout"));
                    }
                }
                Err(_) => {}
            }
            if enough(idle) {
                return Ended::Done;
            }
            if is_cancelled(self.orders, PAUSE) {
                return Ended::Cancelled;
            }
        }
    }
}

/// After a pause. There is no other order than to drain.
pub(super) fn is_cancelled(orders: &Receiver<Order>, pause: Duration) -> bool {
    let end = Instant::now() + pause;
    loop {
        match orders.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Order::Drain { .. }) => {}
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
    }
}
