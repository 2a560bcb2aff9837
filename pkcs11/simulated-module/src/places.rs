//! How many signatures are made at a time, and waiting that is exact to some microseconds.

use std::num::NonZeroU64;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// A fixed number of places.
#[derive(Debug)]
pub(crate) struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of them, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Places);

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Mutex::new(count),
            freed: Condvar::new(),
        }
    }

    /// Waits for a place.
    pub(crate) fn take(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Sleeps to a time. The kernel may wake a thread 50 µs late unless it is told otherwise, which at a latency of 500 µs
/// would be a tenth of the simulated capacity.
#[expect(
    clippy::disallowed_methods,
    reason = "the latency is simulated on the thread that signs"
)]
pub(crate) fn wait_until(until: Instant) {
    // Best effort: without it the simulation is slower, and says so in its rate.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
}
