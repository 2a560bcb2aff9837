//! The service itself: what a request is turned into.

use std::sync::Arc;
use std::time::{Duration, Instant};

use signer_wire::{Fault, FaultClass, KeyRef, Priority, Reply, Request, ServiceStatus, SignBatch};
use token::{Candidate, Config, KeyRing};

use crate::audit::Audit;
use crate::batch::{Batch, Job};
use crate::connection::Connection;
use crate::desk::{Desk, Errand};
use crate::guard::Guard;
use crate::lane::Lane;

/// How many times longer than a signature the making of a key may take before it counts as hung.
const DESK_PATIENCE: u32 = 20;

/// Everything the threads of this program share.
#[derive(Debug)]
pub(crate) struct Service {
    ring: KeyRing,
    lanes: Vec<Lane>,
    desk: Desk,
    guard: Guard,
    audit: Arc<Audit>,
    longest: Duration,
    started: Instant,
}

impl Service {
    pub(crate) fn new(ring: KeyRing, config: &Config, audit: Audit) -> Self {
        let lane = |(place, backend): (usize, &Arc<dyn token::Keys>)| {
            Lane::new(
                Candidate(place),
                backend.width(),
                backend.most(),
                config.limits.queue,
            )
        };
        let lanes = ring.backends().iter().enumerate().map(lane).collect();
        Self {
            lanes,
            desk: Desk::new(),
            guard: Guard::new(&config.limits),
            audit: Arc::new(audit),
            longest: Duration::from_millis(u64::from(config.limits.deadline_ms)),
            started: Instant::now(),
            ring,
        }
    }

    pub(crate) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    pub(crate) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Takes a request in. Signatures and keys are answered by other threads, the rest at once.
    pub(crate) fn accept(&self, connection: &Arc<Connection>, id: u64, request: Request) {
        match request {
            Request::Sign(batch) => self.sign(connection, id, batch),
            Request::Generate(generate) => {
                let admitted = self.guard.admit_generation();
                self.run(connection, id, admitted.map(|()| Errand::Generate(generate)));
            }
            Request::ImportSoftware(import) => {
                let admitted = self.guard.admit_import();
                self.run(connection, id, admitted.map(|()| Errand::Import(import)));
            }
            Request::List => connection.send(id, &Reply::Keys(self.ring.list())),
            Request::Status => connection.send(id, &Reply::Status(self.status())),
        }
    }

    fn run(&self, connection: &Arc<Connection>, id: u64, errand: Result<Errand, Fault>) {
        let handed = errand.and_then(|errand| self.desk.hand_in(Arc::clone(connection), id, errand));
        if let Err(fault) = handed {
            connection.send(id, &Reply::Fault(fault));
        }
    }

    fn sign(&self, connection: &Arc<Connection>, id: u64, request: SignBatch) {
        if request.items.is_empty() {
            connection.send(id, &Reply::Signatures(Vec::new()));
            return;
        }
        let audit = Arc::clone(&self.audit);
        let batch = Batch::arrive(Arc::clone(connection), audit, id, request, self.longest);
        let now = Instant::now();
        // Neighbours of one key go to their backends together, so that a batch costs one lock and one wake-up.
        let mut group: Vec<Job> = Vec::new();
        let mut group_key: Option<KeyRef> = None;
        for job in batch.jobs() {
            let Some(item) = job.item() else { continue };
            if let Err(fault) = self.guard.admit(&self.ring, item, now) {
                job.settle(Err(fault));
                continue;
            }
            if group_key != Some(item.key) {
                self.dispatch(group_key, std::mem::take(&mut group));
                group_key = Some(item.key);
            }
            group.push(job);
        }
        self.dispatch(group_key, group);
    }

    /// Spreads signatures with one key over the backends that hold it.
    fn dispatch(&self, key: Option<KeyRef>, jobs: Vec<Job>) {
        let (Some(key), Some(priority)) = (key, jobs.first().map(Job::priority)) else {
            return;
        };
        let holders = self.ring.holders(&key);
        if holders.is_empty() {
            let fault = self.ring.no_holder(&key).to_fault();
            for job in jobs {
                job.settle(Err(fault.clone()));
            }
            return;
        }
        let mut jobs = jobs.into_iter();
        if let Some(lane) = holders.trial.and_then(|candidate| self.lane(candidate)) {
            lane.enqueue(priority, jobs.next());
        }
        let spread = if holders.ready.is_empty() {
            holders.resting
        } else {
            holders.ready
        };
        match spread.as_slice() {
            [] => self.enqueue(holders.trial, priority, jobs),
            [only] => self.enqueue(Some(*only), priority, jobs),
            several => {
                for (job, candidate) in jobs.zip(several.iter().cycle()) {
                    self.enqueue(Some(*candidate), priority, [job]);
                }
            }
        }
    }

    fn enqueue(&self, candidate: Option<Candidate>, priority: Priority, jobs: impl IntoIterator<Item = Job>) {
        if let Some(lane) = candidate.and_then(|candidate| self.lane(candidate)) {
            lane.enqueue(priority, jobs);
        }
    }

    /// Settles what is past its deadline. A backend whose call does not return is left out, and what waits for it
    /// goes to others that hold the key. Gives how long the oldest call into any backend has lasted.
    pub(crate) fn keep_time(&self, now: Instant) -> Duration {
        let mut oldest = Duration::ZERO;
        for (lane, backend) in self.lanes.iter().zip(self.ring.backends()) {
            lane.learn(now, backend.name(), backend.most());
            let seen = lane.expire(now);
            oldest = oldest.max(seen.oldest_call);
            if seen.stalled.is_empty() {
                continue;
            }
            // First the backend is left out, then its client is told: his next request must not come here again.
            self.ring.stalled(lane.candidate());
            for job in seen.stalled {
                job.settle_late();
            }
            for job in lane.take_out(|job| {
                job.item()
                    .is_some_and(|item| self.ring.has_other_holder(lane.candidate(), &item.key))
            }) {
                job.try_on(lane.candidate().0);
                let fault = Fault::new(
                    FaultClass::Retryable,
                    "the token that holds the key does not answer",
                );
                self.elsewhere(job, fault);
            }
        }
        oldest.max(self.desk.oldest(now) / DESK_PATIENCE)
    }

    /// Closes the sessions that nobody signs with any more.
    pub(crate) fn give_back(&self) {
        for (lane, backend) in self.lanes.iter().zip(self.ring.backends()) {
            backend.give_back(lane.width());
        }
    }

    /// A backend failed: the next one that holds the key and has not tried takes over; without one the failure is
    /// the outcome.
    pub(crate) fn elsewhere(&self, job: Job, fault: Fault) {
        let untried = job.item().and_then(|item| {
            let holders = self.ring.holders(&item.key);
            holders
                .in_order()
                .find(|candidate| !job.was_tried_on(candidate.0))
        });
        match untried.and_then(|candidate| self.lane(candidate)) {
            Some(lane) => lane.enqueue(job.priority(), [job]),
            None => drop(job.settle(Err(fault))),
        }
    }

    fn lane(&self, candidate: Candidate) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.candidate() == candidate)
    }

    fn status(&self) -> ServiceStatus {
        let backends = self.ring.status();
        let lanes = self.lanes.iter().zip(backends);
        ServiceStatus {
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: lanes
                .map(|(lane, told)| lane.status(told.name, told.available, told.detail))
                .collect(),
        }
    }

    /// Whether nothing waits and nothing is being made.
    pub(crate) fn is_idle(&self) -> bool {
        self.desk.is_idle()
            && self
                .lanes
                .iter()
                .all(|lane| lane.queued() == 0 && lane.in_flight() == 0)
    }

    /// Lets all working threads end once their queues are empty.
    pub(crate) fn close(&self) {
        self.lanes.iter().for_each(Lane::close);
        self.desk.close();
    }
}

/// The fault for a body that is no request.
pub(crate) fn malformed(fault: signer_wire::WireFault) -> Reply {
    Reply::Fault(Fault::new(FaultClass::Refused, fault.to_string()))
}
