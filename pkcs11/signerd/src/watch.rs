//! The watch: it sees that deadlines pass, that calls hang, and that tokens are away.
//!
//! A call into a vendor's library cannot be interrupted. Whoever waits for it is answered at his deadline; a call
//! that lasts past the hang limit ends the process, because a library that hangs once holds its locks for ever, and
//! the supervisor's new process starts with a new one.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::service::Service;

/// How exact deadlines are.
const TICK: Duration = Duration::from_millis(20);
/// How often absent tokens are looked for.
const TEND: Duration = Duration::from_secs(2);

/// The state the watching threads share.
#[derive(Debug)]
pub(crate) struct Watch {
    hang: Duration,
    watchdog: Option<Duration>,
    is_over: Mutex<bool>,
    over: Condvar,
    /// Since when a token is being looked for.
    tending: Mutex<Option<Instant>>,
}

impl Watch {
    pub(crate) fn new(hang: Duration) -> Self {
        Self {
            hang,
            watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            is_over: Mutex::new(false),
            over: Condvar::new(),
            tending: Mutex::new(None),
        }
    }

    /// Keeps deadlines and the hang limit.
    pub(crate) fn keep_time(&self, service: &Service) {
        let mut last_ping = Instant::now();
        while !self.wait(TICK) {
            let now = Instant::now();
            let oldest = service.keep_time(now);
            let tended = self
                .tending
                .lock()
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            if oldest.max(tended) > self.hang {
                tracing::error!(
                    seconds = oldest.max(tended).as_secs(),
                    "a call into a PKCS#11 module hangs; ending"
                );
                end_now();
            }
            if self
                .watchdog
                .is_some_and(|interval| last_ping.elapsed() >= interval)
            {
                last_ping = now;
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
            }
        }
    }

    /// Looks for tokens that are away, and gives back sessions that are not wanted.
    pub(crate) fn tend(&self, service: &Service) {
        while !self.wait(TEND) {
            *self.tending.lock() = Some(Instant::now());
            service.ring().tend();
            service.give_back();
            *self.tending.lock() = None;
        }
    }

    /// Ends both.
    pub(crate) fn end(&self) {
        *self.is_over.lock() = true;
        self.over.notify_all();
    }

    /// Waits, and says whether the watch is over.
    fn wait(&self, time: Duration) -> bool {
        let mut is_over = self.is_over.lock();
        if !*is_over {
            self.over.wait_for(&mut is_over, time);
        }
        *is_over
    }
}

/// Ends the process without running what libraries registered for its end: the one that hangs would hang there too.
pub(crate) fn end_now() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
