//! Test signatures: whether a token that says it signs still does.
//!
//! Each round is one signature with the next key of the token, in the token's own queue and behind everything else, over a message
//! that is always the same, and is verified here. A wrong one is the worst a token can do, because nobody downstream may see it;
//! so the token is left out until a signature of the same key is right.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use signer_wire::{FaultClass, Input, Priority, Sign};
use token::{Checks, KeyRecord, KeyRef, Keys, TEST_MESSAGE, verify};

use super::Round;
use crate::batch::{Batch, Outcome};
use crate::lane::Lane;
use crate::service::Service;
use crate::watch::Watch;

/// The pause before a token that failed is tested again; it doubles up to the usual one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether the service ends meanwhile.
const TICK: Duration = Duration::from_millis(100);

/// The test signatures of one token.
#[derive(Debug)]
pub(super) struct Tests {
    /// Nothing when they are switched off.
    round: Option<Round>,
    /// The key of the last one.
    last: Option<KeyRef>,
    /// The key whose signature was wrong or failed, and when it is tried again.
    suspect: Option<(KeyRef, Instant, Duration)>,
}

/// What became of one.
enum Verdict {
    Right,
    Bad(String),
    /// Nothing is said of the token: it is away, or had no time.
    Open,
}

impl Tests {
    pub(super) fn new(checks: Checks) -> Self {
        let seconds = checks.test_signature_seconds;
        Self {
            round: (seconds > 0).then(|| Round::new(Duration::from_secs(u64::from(seconds)))),
            last: None,
            suspect: None,
        }
    }

    /// Makes a test signature when it is time to.
    pub(super) fn go_on(&mut self, lane: &Lane, backend: &dyn Keys, service: &Service, watch: &Watch) {
        let Some(round) = &mut self.round else { return };
        let (now, every) = (Instant::now(), round.every);
        let is_due = match self.suspect {
            Some((_, again, _)) => now >= again,
            None => round.is_due(now),
        };
        if !is_due || !backend.status().available {
            return;
        }
        let Some((record, item)) = self.next(backend, service) else {
            self.clear(lane, service);
            return;
        };
        self.last = Some(record.key);
        let verdict = sign(lane, &record, &item, service, watch);
        match verdict {
            Verdict::Right => {
                lane.upkeep().passed();
                if self.suspect.take().is_some() {
                    tracing::info!(token = backend.name(), key = %record.key, "the test signature is right again");
                    service.ring().release(lane.candidate());
                }
            }
            Verdict::Bad(detail) => {
                let pause = self
                    .suspect
                    .map_or(FIRST_PAUSE, |(.., pause)| (pause * 2).min(every));
                self.suspect = Some((record.key, now + pause, pause));
                service.ring().hold(lane.candidate());
                lane.upkeep().failed(&record.key, &detail);
                tracing::error!(token = backend.name(), key = %record.key, label = record.label, detail, "a test signature is bad; other tokens are preferred until it is right");
            }
            Verdict::Open => {
                if let Some((_, again, pause)) = &mut self.suspect {
                    *again = now + *pause;
                }
            }
        }
    }

    /// The suspect key when there is one, else the one after the last.
    fn next(&self, backend: &dyn Keys, service: &Service) -> Option<(KeyRecord, Sign)> {
        let mut keys = backend.list();
        keys.sort_by_key(|record| record.key);
        if let Some((suspect, ..)) = self.suspect {
            keys.retain(|record| record.key == suspect);
        } else if let Some(last) = self.last {
            let after = keys.partition_point(|record| record.key <= last);
            keys.rotate_left(after);
        }
        keys.into_iter().find_map(|record| {
            let scheme = service.guard().test_scheme(&record)?;
            let item = Sign {
                key: record.key,
                scheme,
                input: Input::Message(TEST_MESSAGE.to_vec()),
            };
            Some((record, item))
        })
    }

    /// There is no key to test with, so there is none to suspect either.
    fn clear(&mut self, lane: &Lane, service: &Service) {
        if self.suspect.take().is_some() {
            lane.upkeep().forget_test();
            service.ring().release(lane.candidate());
        }
    }
}

/// Has the signature made behind everything else, verifies and records it.
fn sign(lane: &Lane, record: &KeyRecord, item: &Sign, service: &Service, watch: &Watch) -> Verdict {
    let started = Instant::now();
    let (batch, outcome) = Batch::of_keeper(item.clone(), service.longest());
    lane.enqueue(Priority::PreSigning, batch.jobs());
    let outcome = loop {
        match outcome.recv_timeout(TICK) {
            Ok(outcome) => break outcome,
            Err(RecvTimeoutError::Timeout) if !watch.is_over() => {}
            Err(_) => return Verdict::Open,
        }
    };
    let was_tried = batch.jobs().any(|job| job.was_tried_on(lane.candidate().0));
    let verdict = judge(record, item, outcome, was_tried);
    let detail = match &verdict {
        Verdict::Right => None,
        Verdict::Bad(detail) => Some(detail.as_str()),
        Verdict::Open => return verdict,
    };
    let recorded = service.audit().test(record, detail, started.elapsed());
    if let Err(error) = recorded {
        tracing::error!(%error, "the line about a test signature cannot be written");
    }
    verdict
}

fn judge(record: &KeyRecord, item: &Sign, outcome: Outcome, was_tried: bool) -> Verdict {
    match outcome {
        Ok(signature) if verify(&record.spki, item.scheme, TEST_MESSAGE, &signature) => Verdict::Right,
        Ok(_) => Verdict::Bad("the signature is wrong".to_owned()),
        Err(fault) => match fault.class {
            // A token that is away or silent is known to be, one that has too much to do is none the worse for it, and a key
            // that went is looked after elsewhere.
            FaultClass::TokenAbsent
            | FaultClass::PinRejected
            | FaultClass::KeyNotFound
            | FaultClass::Deadline => Verdict::Open,
            _ if !was_tried => Verdict::Open,
            _ => Verdict::Bad(fault.message),
        },
    }
}
