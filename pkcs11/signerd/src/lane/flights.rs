//! What the threads of a lane are signing, and whether that takes longer than it does.
//!
//! Nobody can tell a call that hangs from one that is slow, but another token with the same key can be asked meanwhile; a
//! signature too many costs less than a request that waits. What is long is learnt: many times what the token takes otherwise.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::batch::Job;

/// How many times longer than usual a signature takes that is asked of another token as well.
const TIMES: u64 = 20;
/// The bounds of that: below, a busy machine looks like a token that hangs.
const SHORTEST: Duration = Duration::from_millis(60);
const LONGEST: Duration = Duration::from_secs(2);
/// What is believed of a token that has not signed yet, in microseconds.
const AT_FIRST: u64 = 25_000;

#[derive(Debug, Clone)]
struct Flight {
    job: Job,
    started: Instant,
}

/// What the watch sees in a lane.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How long the oldest call into the backend has lasted.
    pub(crate) oldest_call: Duration,
    /// What takes longer than it does, or than half of the time its asker has left it.
    pub(crate) slow: Vec<Job>,
}

/// What each thread of a lane is signing.
#[derive(Debug)]
pub(super) struct Flights {
    places: Vec<Mutex<Option<Flight>>>,
    /// Microseconds that a signature takes of late.
    usual_us: AtomicU64,
}

impl Flights {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            places: (0..threads).map(|_| Mutex::new(None)).collect(),
            usual_us: AtomicU64::new(AT_FIRST),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn begin(&self, thread: usize, job: Job, started: Instant) {
        self.mark(thread, Some(Flight { job, started }));
    }

    pub(super) fn end(&self, thread: usize) {
        self.mark(thread, None);
    }

    fn mark(&self, thread: usize, flight: Option<Flight>) {
        if let Some(place) = self.places.get(thread) {
            *place.lock() = flight;
        }
    }

    /// A signature was made in so many microseconds.
    pub(super) fn learn(&self, taken_us: u64) {
        let usual = self.usual_us.load(Ordering::Relaxed);
        let weighed = (usual * 15 + taken_us).div_ceil(16);
        self.usual_us.store(weighed, Ordering::Relaxed);
    }

    /// How many are under way.
    pub(super) fn count(&self) -> usize {
        self.places.iter().filter(|place| place.lock().is_some()).count()
    }

    pub(super) fn look(&self, now: Instant) -> Seen {
        let patience = self.patience();
        let mut seen = Seen::default();
        for place in &self.places {
            let flight = place.lock().clone();
            let Some(Flight { job, started }) = flight else {
                continue;
            };
            let lasted = now.saturating_duration_since(started);
            let left_to_it = job.deadline().saturating_duration_since(started);
            seen.oldest_call = seen.oldest_call.max(lasted);
            if lasted >= patience.min(left_to_it / 2) {
                seen.slow.push(job);
            }
        }
        seen
    }

    fn patience(&self) -> Duration {
        let usual = self.usual_us.load(Ordering::Relaxed);
        Duration::from_micros(usual.saturating_mul(TIMES)).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_follows_what_the_token_takes() {
        let flights = Flights::new(1);
        assert_eq!(flights.patience(), Duration::from_millis(500));
        for (taken_us, expected) in [
            (1_000, SHORTEST),
            (10_000, Duration::from_millis(200)),
            (900_000, LONGEST),
        ] {
            (0..200).for_each(|_| flights.learn(taken_us));
            let patience = flights.patience();
            assert!(
                patience.abs_diff(expected) < Duration::from_millis(10),
                "{patience:?} after {taken_us} us"
            );
        }
    }
}
