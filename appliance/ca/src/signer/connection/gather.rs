//! Which signatures are asked for in one frame, and when.
//!
//! A frame, its reply and the waking that goes with them cost as much as a signature, so signatures of one priority go
//! together. A frame that is not full waits while the service has enough of that priority before it to keep every session
//! busy: it could not be begun sooner, and others join it meanwhile. What makes a revocation known never waits. Each connection
//! counts its own frames; no priority has two connections.

use std::collections::VecDeque;
use std::time::Duration;

use signer_wire::{MAX_BATCH, Priority, ServiceStatus};
use tokio::time::Instant;

use super::SignCall;

/// Signatures sent in one frame: enough to spare frames, few enough that the first does not wait long for the last, and that
/// a token always has the next frame when one is answered.
const BATCH: usize = if MAX_BATCH < 16 { MAX_BATCH } else { 16 };
/// How long a frame waits for others at most: what is before it may be with a token that hangs, and this with another.
const LONGEST: Duration = Duration::from_millis(10);

/// What waits to be sent and what was sent, by priority.
#[derive(Debug, Default)]
pub(super) struct Gather {
    ranks: [Rank; Priority::ALL.len()],
    /// The sessions of all tokens; unknown until the service has said so, and nothing waits until then.
    sessions: Option<usize>,
    frames: u64,
}

#[derive(Debug, Default)]
struct Rank {
    waiting: VecDeque<SignCall>,
    since: Option<Instant>,
    /// The frames that are not answered, the oldest first, with how many signatures each asks for.
    sent: VecDeque<(u64, usize)>,
}

/// A frame that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) priority: Priority,
    number: u64,
}

impl Gather {
    pub(super) fn take_in(&mut self, call: SignCall) {
        if let Some(rank) = self.ranks.get_mut(call.priority.rank()) {
            rank.waiting.push_back(call);
        }
    }

    /// The next signatures to be sent now, the most urgent first.
    pub(super) fn next_batch(&mut self, now: Instant) -> Option<(Sent, Vec<SignCall>)> {
        for (rank, priority) in self.ranks.iter_mut().zip(Priority::ALL) {
            if rank.waiting.is_empty() {
                continue;
            }
            if rank.waiting.len() < BATCH
                && priority != Priority::Revocation
                && self.sessions.is_some_and(|sessions| rank.keeps_busy(sessions))
                && now < *rank.since.get_or_insert(now) + LONGEST
            {
                continue;
            }
            let count = rank.waiting.len().min(BATCH);
            let batch: Vec<SignCall> = rank.waiting.drain(..count).collect();
            rank.since = None;
            self.frames += 1;
            let sent = Sent {
                priority,
                number: self.frames,
            };
            rank.sent.push_back((sent.number, count));
            return Some((sent, batch));
        }
        None
    }

    /// When the first of those that wait must be sent.
    pub(super) fn until(&self) -> Option<Instant> {
        let since = self.ranks.iter().filter_map(|rank| rank.since).min();
        since.map(|since| since + LONGEST)
    }

    /// A frame is answered, or will never be.
    pub(super) fn landed(&mut self, sent: Sent) {
        if let Some(rank) = self.ranks.get_mut(sent.priority.rank()) {
            rank.sent.retain(|(number, _)| *number != sent.number);
        }
    }

    /// The service has said how many sessions it has.
    pub(super) fn learn(&mut self, status: &ServiceStatus) {
        let widths = status.lanes.iter().map(|lane| lane.width as usize);
        self.sessions = Some(widths.sum()).filter(|sessions| *sessions > 0);
    }

    /// What was never sent.
    pub(super) fn into_calls(self) -> impl Iterator<Item = SignCall> {
        self.ranks.into_iter().flat_map(|rank| rank.waiting)
    }
}

impl Rank {
    /// Whether the service has two signatures for each session besides the oldest frame, which it may be done with all but one.
    fn keeps_busy(&self, sessions: usize) -> bool {
        let behind: usize = self.sent.iter().skip(1).map(|(_, count)| count).sum();
        behind >= 2 * sessions
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]

    use signer_wire::{Input, KeyRef, LaneStatus, Scheme, Sign};
    use tokio::sync::oneshot;

    use super::*;

    fn calls(gather: &mut Gather, priority: Priority, count: usize) {
        for _ in 0..count {
            let item = Sign {
                key: KeyRef::new([1; 32]),
                scheme: Scheme::EcdsaSha256,
                input: Input::Message(vec![1]),
            };
            gather.take_in(SignCall {
                item,
                priority,
                until: Instant::now(),
                answer: oneshot::channel().0,
            });
        }
    }

    fn sessions(gather: &mut Gather, width: u32) {
        let lane = LaneStatus {
            width,
            ..LaneStatus::default()
        };
        gather.learn(&ServiceStatus {
            uptime_ms: 1,
            version: String::new(),
            lanes: vec![lane],
        });
    }

    fn sizes(gather: &mut Gather, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| gather.next_batch(now))
            .map(|(_, batch)| batch.len())
            .collect()
    }

    #[test]
    fn a_frame_that_is_not_full_waits_while_every_session_has_work() {
        let (mut gather, now) = (Gather::default(), Instant::now());
        calls(&mut gather, Priority::Issuance, 3);
        assert_eq!(
            sizes(&mut gather, now),
            [3],
            "how many sessions there are is not known"
        );
        sessions(&mut gather, 2);
        calls(&mut gather, Priority::Issuance, 1);
        assert_eq!(
            sizes(&mut gather, now),
            [1],
            "nothing is sure to wait behind the first frame"
        );
        calls(&mut gather, Priority::Issuance, 35);
        assert_eq!(sizes(&mut gather, now), [16, 16]);
        assert_eq!(gather.until(), Some(now + LONGEST));
        calls(&mut gather, Priority::Issuance, 13);
        assert_eq!(sizes(&mut gather, now), [16], "full");
        assert_eq!(gather.until(), None);
        calls(&mut gather, Priority::Issuance, 2);
        assert!(gather.next_batch(now).is_none());
        assert_eq!(sizes(&mut gather, now + LONGEST), [2], "waited long enough");
    }

    #[test]
    fn the_last_frame_before_it_sends_it_off() {
        let (mut gather, now) = (Gather::default(), Instant::now());
        sessions(&mut gather, 2);
        calls(&mut gather, Priority::PreSigning, 36);
        let frames: Vec<Sent> = std::iter::from_fn(|| gather.next_batch(now))
            .map(|(sent, _)| sent)
            .collect();
        assert_eq!(frames.len(), 2, "sixteen each, and four wait");
        gather.landed(frames[0]);
        assert_eq!(sizes(&mut gather, now), [4], "the token is at the last frame");
    }

    #[test]
    fn priorities_do_not_wait_for_each_other_and_a_revocation_for_nothing() {
        let (mut gather, now) = (Gather::default(), Instant::now());
        sessions(&mut gather, 1);
        calls(&mut gather, Priority::PreSigning, 40);
        calls(&mut gather, Priority::OcspOnDemand, 1);
        let first = gather
            .next_batch(now)
            .map(|(sent, batch)| (sent.priority, batch.len()));
        assert_eq!(first, Some((Priority::OcspOnDemand, 1)));
        assert_eq!(sizes(&mut gather, now), [16, 16]);
        calls(&mut gather, Priority::Revocation, 33);
        assert_eq!(sizes(&mut gather, now), [16, 16, 1]);
        assert_eq!(gather.into_calls().count(), 8);
    }
}
