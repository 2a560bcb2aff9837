//! The watch: it sees that deadlines pass and that calls hang.
//!
//! A call into a vendor's library cannot be interrupted. Whoever waits for it is answered by another token or at his deadline; a
//! call that lasts past the hang limit ends the process when nobody else does what its token did (`service/hang.rs`), because a
//! library that hangs once holds its locks for ever, and the supervisor's new process starts with a new one.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::service::Service;

/// How exact deadlines are.
const TICK: Duration = Duration::from_millis(20);

/// The state the watching threads share.
#[derive(Debug)]
pub(crate) struct Watch {
    hang: Duration,
    watchdog: Option<Duration>,
    is_over: Mutex<bool>,
    over: Condvar,
}

impl Watch {
    pub(crate) fn new(hang: Duration) -> Self {
        Self {
            hang,
            watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 2),
            is_over: Mutex::new(false),
            over: Condvar::new(),
        }
    }

    /// Keeps deadlines and the hang limit.
    pub(crate) fn keep_time(&self, service: &Service) {
        let mut last_ping = Instant::now();
        while !self.wait(TICK) {
            let now = Instant::now();
            service.keep_time(now);
            if let Some(lasted) = service.hang(now, self.hang) {
                tracing::error!(
                    seconds = lasted.as_secs(),
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

    /// Ends it, and all who ask it.
    pub(crate) fn end(&self) {
        *self.is_over.lock() = true;
        self.over.notify_all();
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        *self.is_over.lock()
    }

    /// Waits, and says whether the watch is over.
    pub(crate) fn wait(&self, time: Duration) -> bool {
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
