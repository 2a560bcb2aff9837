//! The keeper of a token: brings it back when it is away, signs something from time to time to see whether it still can, and looks
//! whether its keys are still what they were.
//!
//! Each token has a keeper of its own, on a thread of its own, because any of this may hang with its token.

mod keys;
mod test;

use std::time::{Duration, Instant};

use crate::lane::Lane;
use crate::service::Service;
use crate::watch::Watch;
use keys::KeyWatch;
use test::Tests;

/// How often a keeper looks whether there is something to do.
const TICK: Duration = Duration::from_millis(500);
/// How often an absent token is looked for.
const TEND: Duration = Duration::from_secs(2);

/// Something to be done from time to time.
#[derive(Debug)]
struct Round {
    every: Duration,
    next: Instant,
}

impl Round {
    fn new(every: Duration) -> Self {
        Self {
            every,
            next: Instant::now() + every,
        }
    }

    /// Whether it is time; if so, the next time is set.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = now + self.every;
        }
        is_due
    }
}

/// The life of a keeper, until the watch is over.
pub(crate) fn keep(lane: &Lane, service: &Service, watch: &Watch) {
    let Some(backend) = service.backend(lane) else {
        return;
    };
    let mut tend = Round::new(TEND);
    let mut tests = Tests::new(service.checks());
    let mut keys = KeyWatch::new(backend.name(), service);
    while !watch.wait(TICK) {
        if tend.is_due(Instant::now()) {
            lane.upkeep().inside(|| {
                if let Err(error) = backend.tend() {
                    tracing::debug!(token = backend.name(), %error, "still away");
                }
                backend.give_back(lane.width());
            });
        }
        keys.look(lane, backend.as_ref(), service);
        tests.go_on(lane, backend.as_ref(), service, watch);
    }
}
