//! What the service manager is told. Without `NOTIFY_SOCKET`, all of this does nothing; see `sd_notify(3)`.

use std::time::Duration;

use sd_notify::NotifyState;

/// How often [`alive`] is due: twice as often as asked for, as `sd_watchdog_enabled(3)` advises.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

pub(super) fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub(super) fn status(status: &str) {
    send(&[NotifyState::Status(status)]);
}

/// `within` is how long the end may take.
pub(super) fn stopping(status: &str, within: Duration) {
    let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::Stopping, NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(within)]);
}

pub(super) fn alive() {
    send(&[NotifyState::Watchdog]);
}

fn send(states: &[NotifyState<'_>]) {
    // A service manager that does not listen cannot be told that either.
    let _ = sd_notify::notify(states);
}
