//! What one token does not do, another does: retries, and signatures that are asked of a second token while the first is silent.

use std::time::Instant;

use signer_wire::{Fault, FaultClass};
use token::Error;

use super::Service;
use crate::batch::Job;
use crate::lane::Lane;

impl Service {
    /// Settles what is past its deadline. A backend whose call takes longer than it does is left out; what it is doing is asked
    /// of others that hold the key as well, and what waits for it goes to them.
    pub(crate) fn keep_time(&self, now: Instant) {
        for (lane, backend) in self.lanes.iter().zip(self.ring.backends()) {
            lane.learn(now, backend.name(), backend.most());
            let seen = lane.expire(now);
            // First the backend is left out, then its client is told: his next request must not come here again.
            if seen.slow.iter().any(|job| self.has_other_holder(lane, job)) {
                self.ring.stalled(lane.candidate());
                self.evacuate(lane);
            }
            for job in &seen.slow {
                if job.deadline() <= now {
                    job.settle_late();
                } else if !job.is_settled() && self.can_pass_on(lane, job) && job.hand_over() {
                    lane.count_handed_over(1);
                    self.pass_on(job);
                }
            }
        }
    }

    /// A backend failed: another one that holds the key and has not tried takes over; without one the failure is the outcome.
    /// When the backend is left out by now, what waits for it goes elsewhere, too.
    pub(crate) fn failed(&self, lane: &Lane, job: &Job, error: &Error) {
        self.elsewhere(job, error.to_fault());
        if !self.ring.is_closed(lane.candidate()) {
            self.evacuate(lane);
        }
    }

    /// Takes out of the queue of a backend what others can do.
    fn evacuate(&self, lane: &Lane) {
        let jobs = lane.take_out(|job| self.can_pass_on(lane, job));
        lane.count_handed_over(jobs.len());
        for job in jobs {
            job.try_on(lane.candidate().0);
            if !self.pass_on(&job) {
                job.give_up(Fault::new(
                    FaultClass::TokenAbsent,
                    "the token that holds the key does not answer",
                ));
            }
        }
    }

    fn elsewhere(&self, job: &Job, fault: Fault) {
        job.note(&fault);
        if job.is_pinned() || !self.pass_on(job) {
            job.give_up(fault);
        }
    }

    /// Asks the next backend that holds the key and has not tried, the sound ones first; says whether there is one.
    fn pass_on(&self, job: &Job) -> bool {
        let Some(item) = job.item() else { return false };
        let holders = self.ring.holders(&item.key);
        let by_soundness = holders
            .ready
            .into_iter()
            .chain(holders.trial)
            .chain(holders.resting);
        for candidate in by_soundness {
            if let Some(lane) = self.lane(candidate)
                && job.try_on(candidate.0)
            {
                lane.enqueue(job.priority(), [job.clone()]);
                return true;
            }
        }
        false
    }

    /// Whether another backend can do it that has not tried.
    fn can_pass_on(&self, lane: &Lane, job: &Job) -> bool {
        let Some(item) = job.item().filter(|_| !job.is_pinned()) else {
            return false;
        };
        let mut others = self
            .lanes
            .iter()
            .filter(|other| other.candidate() != lane.candidate() && !job.was_tried_on(other.candidate().0));
        others.any(|other| {
            self.backend(other)
                .is_some_and(|backend| backend.kind(&item.key).is_some())
        })
    }

    fn has_other_holder(&self, lane: &Lane, job: &Job) -> bool {
        job.item()
            .is_some_and(|item| self.ring.has_other_holder(lane.candidate(), &item.key))
    }
}
