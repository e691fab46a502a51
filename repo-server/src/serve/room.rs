//! How many connections there may be.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::app::App;

/// How many connections there may be, of all clients and of each.
#[derive(Clone)]
pub(crate) struct Room {
    app: Arc<App>,
    open: Arc<AtomicUsize>,
    max: usize,
    of_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    max_of_address: usize,
}

/// A connection's place; free again when it is dropped.
pub(crate) struct Place {
    room: Room,
    address: IpAddr,
}

impl Room {
    /// At most `max` at once, and `max_of_address` of one address that is no proxy of ours.
    #[must_use]
    pub(crate) fn new(app: &Arc<App>, max: usize, max_of_address: usize) -> Self {
        Self { app: Arc::clone(app), open: Arc::default(), max, of_address: Arc::default(), max_of_address }
    }

    /// How many there are.
    #[must_use]
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn of_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.of_address.lock().expect("nobody panics while holding it")
    }

    /// A place for one more connection. One that finds none is counted.
    #[must_use]
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let mut of_address = self.of_address();
        let count = of_address.entry(address).or_default();
        // Behind a proxy of ours are many clients.
        let is_crowded = *count >= self.max_of_address && !self.app.proxies.trust(address);
        if is_crowded || self.open.load(Ordering::Relaxed) >= self.max {
            if *count == 0 {
                of_address.remove(&address);
            }
            self.app.metrics.refused.inc();
            return None;
        }
        *count += 1;
        drop(of_address);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.app.metrics.connections.inc();
        Some(Place { room: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.open.fetch_sub(1, Ordering::Relaxed);
        self.room.app.metrics.connections.dec();
        let mut of_address = self.room.of_address();
        if let Some(count) = of_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                of_address.remove(&self.address);
            }
        }
    }
}
