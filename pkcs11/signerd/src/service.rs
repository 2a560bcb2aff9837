//! The service itself: what a request is turned into.

use std::sync::Arc;
use std::time::{Duration, Instant};

use signer_wire::{Fault, FaultClass, KeyRef, Reply, Request, ServiceStatus, SignBatch};
use token::{Candidate, Config, Error, KeyRing};

use crate::audit::Audit;
use crate::batch::{Batch, Job};
use crate::connection::Connection;
use crate::desk::{Desk, Errand};
use crate::guard::Guard;
use crate::lane::Lane;

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
            Lane::new(Candidate(place), backend.width(), config.limits.queue)
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
        match holders.as_slice() {
            [] => {
                let fault = self.ring.no_holder(&key).to_fault();
                for job in jobs {
                    job.settle(Err(fault.clone()));
                }
            }
            [only] => {
                if let Some(lane) = self.lane(*only) {
                    lane.enqueue(priority, jobs);
                }
            }
            several => {
                for (place, job) in jobs.into_iter().enumerate() {
                    let candidate = several.get(place % several.len()).or(several.first());
                    if let Some(lane) = candidate.and_then(|candidate| self.lane(*candidate)) {
                        lane.enqueue(priority, [job]);
                    }
                }
            }
        }
    }

    /// A backend failed: the next one that holds the key and has not tried takes over; without one the failure is
    /// the outcome.
    pub(crate) fn elsewhere(&self, job: Job, error: &Error) {
        let untried = job.item().and_then(|item| {
            let holders = self.ring.holders(&item.key);
            holders
                .into_iter()
                .find(|candidate| !job.was_tried_on(candidate.0))
        });
        match untried.and_then(|candidate| self.lane(candidate)) {
            Some(lane) => {
                let priority = job.priority();
                lane.enqueue(priority, [job]);
            }
            None => drop(job.settle(Err(error.to_fault()))),
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
