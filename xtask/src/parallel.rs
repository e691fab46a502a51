//! Work on several items at once, with results in the items' order.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Applies `work` to every item on at most `jobs` threads. After a failure no further item is begun, and of several
/// failures the first in the items' order is given.
pub(crate) fn try_map<T: Sync, R: Send, E: Send>(
    jobs: NonZeroUsize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Vec<Mutex<Option<Result<R, E>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            *results[index].lock().expect("no worker panics with the lock held") = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.get().min(items.len()) {
            scope.spawn(worker);
        }
    });
    results.into_iter().filter_map(|slot| slot.into_inner().expect("all workers ended")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_of_the_items() {
        let items: Vec<u64> = (0..50).collect();
        let doubled = try_map(NonZeroUsize::new(4).expect("4"), &items, |&item| {
            std::thread::sleep(std::time::Duration::from_micros(50 - item));
            Ok::<_, ()>(item * 2)
        });
        assert_eq!(doubled, Ok(items.iter().map(|item| item * 2).collect()));
    }

    #[test]
    fn stops_at_a_failure() {
        let begun = AtomicUsize::new(0);
        let items: Vec<usize> = (0..1000).collect();
        let result = try_map(NonZeroUsize::MIN, &items, |&item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item == 3 { Err(item) } else { Ok(item) }
        });
        assert_eq!(result, Err(3));
        assert_eq!(begun.into_inner(), 4);
    }
}
