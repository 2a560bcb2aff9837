//! The one place where time is read, and the guard against a clock that was set back.
//!
//! The latest time ever seen is kept in the store. A machine that comes up years in the past would otherwise issue
//! certificates that are expired on arrival, order audit entries wrongly and make CRLs older than the ones before.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::error::{Error, Refusal, Result};

/// Where the time comes from: the machine, or a hand that tests move.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands at `at` until it is moved; clones move together.
    pub fn fixed(at: Timestamp) -> Self {
        Self {
            fixed: Some(Arc::new(AtomicI64::new(at.as_millisecond()))),
        }
    }

    /// The time.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the machine's clock is read"
    )]
    pub fn now(&self) -> Timestamp {
        match &self.fixed {
            None => Timestamp::now(),
            Some(at) => from_millis(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock, forwards or backwards; the machine's clock stays as it is.
    pub fn advance(&self, by: SignedDuration) {
        if let Some(at) = &self.fixed {
            at.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::SeqCst);
        }
    }
}

/// A new identifier; identifiers made later sort later.
pub(crate) fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// A stored time.
pub(crate) fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The time since the machine was started, that in which it slept included: it goes on while the clock is set.
pub(crate) fn since_start() -> Duration {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(at).unwrap_or_default()
}

/// The setting under which the store keeps the high-water mark.
pub(crate) const HIGH_WATER: &str = "clock.high_water";

/// Holds the clock against the latest time seen.
#[derive(Debug)]
pub(crate) struct ClockGuard {
    high_water: AtomicI64,
    tolerance: Duration,
}

impl ClockGuard {
    pub(crate) fn new(high_water: i64, tolerance: Duration) -> Self {
        Self {
            high_water: AtomicI64::new(high_water),
            tolerance,
        }
    }

    /// The latest time seen, in epoch milliseconds.
    pub(crate) fn high_water(&self) -> i64 {
        self.high_water.load(Ordering::SeqCst)
    }

    /// How far the clock stands behind the latest time seen.
    pub(crate) fn behind(&self, now: Timestamp) -> Duration {
        let behind = self.high_water().saturating_sub(now.as_millisecond());
        Duration::from_millis(u64::try_from(behind).unwrap_or(0))
    }

    /// Refuses a time that lies further behind than the tolerance; any other is remembered.
    pub(crate) fn admit(&self, now: Timestamp) -> Result<()> {
        let behind = self.behind(now);
        if behind > self.tolerance {
            let message = format!(
                "the clock stands at {now}, {} s behind the latest time seen: correct it, or accept it as it is",
                behind.as_secs()
            );
            return Err(Error::from(Refusal::of_us("clock_set_back", message)));
        }
        self.high_water.fetch_max(now.as_millisecond(), Ordering::SeqCst);
        Ok(())
    }

    /// Takes the clock as it is.
    pub(crate) fn accept(&self, now: Timestamp) {
        self.high_water.store(now.as_millisecond(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_small_step_back_is_tolerated_a_large_one_is_not() {
        let clock = Clock::fixed("2030-01-01T00:00:00Z".parse().unwrap());
        let guard = ClockGuard::new(0, Duration::from_mins(1));
        guard.admit(clock.now()).unwrap();
        clock.advance(SignedDuration::from_secs(-60));
        guard.admit(clock.now()).unwrap();
        clock.advance(SignedDuration::from_secs(-1));
        assert_eq!(guard.admit(clock.now()).unwrap_err().code(), "clock_set_back");
        assert_eq!(guard.behind(clock.now()), Duration::from_secs(61));
        guard.accept(clock.now());
        guard.admit(clock.now()).unwrap();
        clock.advance(SignedDuration::from_hours(1));
        guard.admit(clock.now()).unwrap();
        assert_eq!(guard.high_water(), clock.now().as_millisecond());
    }
}
