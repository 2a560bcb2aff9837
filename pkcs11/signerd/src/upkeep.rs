//! What the keeper of a token is doing and has found out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use token::{Change, KeyRef};

/// What the keeper of a token is doing and has found out.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// Since when the keeper is inside the module.
    inside: Mutex<Option<Instant>>,
    tests_passed: AtomicU64,
    tests_failed: AtomicU64,
    /// What is wrong with the last test signature.
    bad_test: Mutex<Option<String>>,
    changes: Mutex<Vec<Change>>,
    /// Why it is not known what the keys were like.
    blind: Mutex<Option<String>>,
}

impl Upkeep {
    /// Does something that may not return, so that it is seen when it does not.
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        *self.inside.lock() = Some(Instant::now());
        let done = work();
        *self.inside.lock() = None;
        done
    }

    /// How long the keeper has been inside the module.
    pub(crate) fn oldest_call(&self, now: Instant) -> Duration {
        let since = *self.inside.lock();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// A test signature was right.
    pub(crate) fn passed(&self) {
        self.tests_passed.fetch_add(1, Ordering::Relaxed);
        *self.bad_test.lock() = None;
    }

    /// A test signature was wrong or failed.
    pub(crate) fn failed(&self, key: &KeyRef, detail: &str) {
        self.tests_failed.fetch_add(1, Ordering::Relaxed);
        *self.bad_test.lock() = Some(format!("a test signature with the key {key}: {detail}"));
    }

    /// Forgets a test signature whose key is not there any more.
    pub(crate) fn forget_test(&self) {
        *self.bad_test.lock() = None;
    }

    /// What is not as it was; gives what was not known before.
    pub(crate) fn changed(&self, now: Vec<Change>) -> Vec<Change> {
        *self.blind.lock() = None;
        let mut changes = self.changes.lock();
        let fresh = now
            .iter()
            .filter(|change| !changes.contains(change))
            .cloned()
            .collect();
        *changes = now;
        fresh
    }

    /// It is not known what the keys were like; says whether that is news.
    pub(crate) fn is_blind(&self, detail: &str) -> bool {
        let before = self.blind.lock().replace(detail.to_owned());
        before.as_deref() != Some(detail)
    }

    pub(crate) fn tests_passed(&self) -> u64 {
        self.tests_passed.load(Ordering::Relaxed)
    }

    pub(crate) fn tests_failed(&self) -> u64 {
        self.tests_failed.load(Ordering::Relaxed)
    }

    /// How many keys are not as they were.
    pub(crate) fn keys_changed(&self) -> usize {
        let changes = self.changes.lock();
        let mut keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    }

    /// All of it in one line; empty when all is well.
    pub(crate) fn warning(&self) -> String {
        let mut parts: Vec<String> = self.bad_test.lock().iter().cloned().collect();
        parts.extend(self.changes.lock().iter().map(ToString::to_string));
        parts.extend(self.blind.lock().iter().cloned());
        // What is cut off here stands in the log, a line each.
        parts.truncate(16);
        parts.join("; ")
    }
}
