//! Whether the keys of a token are still protected as they were when they were first seen.

use std::time::{Duration, Instant};

use token::{Baseline, Change, Error, Keys};

use super::Round;
use crate::lane::Lane;
use crate::service::Service;

/// The first look comes early, so that a change made while the service was down is told soon.
const FIRST: Duration = Duration::from_secs(1);

/// The watch over the keys of one token.
#[derive(Debug)]
pub(super) struct KeyWatch {
    /// Nothing when it is switched off.
    round: Option<Round>,
    baseline: Baseline,
}

impl KeyWatch {
    pub(super) fn new(token: &str, service: &Service) -> Self {
        let seconds = service.checks().key_attributes_seconds;
        let mut round = Round::new(Duration::from_secs(u64::from(seconds)));
        round.next = round.next.min(Instant::now() + FIRST);
        Self {
            round: (seconds > 0).then_some(round),
            baseline: Baseline::of(service.state_directory(), token),
        }
    }

    /// Looks when it is time to. A change is told once, in the log and in the audit file, and shown as long as it lasts.
    pub(super) fn look(&mut self, lane: &Lane, backend: &dyn Keys, service: &Service) {
        let Some(round) = &mut self.round else { return };
        if !backend.status().available || !round.is_due(Instant::now()) {
            return;
        }
        let seen = lane.upkeep().inside(|| backend.protection());
        match seen.and_then(|seen| self.baseline.compare(&seen)) {
            Ok(changes) => {
                for change in lane.upkeep().changed(changes) {
                    alarm(backend.name(), &change, service);
                }
            }
            Err(error @ Error::KeyFile { .. }) => {
                if lane.upkeep().is_blind(&error.to_string()) {
                    tracing::error!(token = backend.name(), %error, "what the keys were like is not known");
                }
            }
            Err(error) => {
                tracing::debug!(
                    token = backend.name(),
                    error = error.to_fault().message,
                    "the keys cannot be looked at"
                );
            }
        }
    }
}

fn alarm(token: &str, change: &Change, service: &Service) {
    tracing::error!(
        token,
        key = change.key,
        label = change.label,
        attribute = change.attribute,
        was = change.was,
        is = change.is,
        worse = change.is_worse,
        "a key is not what it was"
    );
    if let Err(error) = service.audit().key_changed(token, change) {
        tracing::error!(token, %error, "the line about a changed key cannot be written");
    }
}
