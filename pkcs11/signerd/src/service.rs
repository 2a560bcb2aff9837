//! The service itself: what a request is turned into.

mod handover;
mod hang;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use signer_wire::{Fault, FaultClass, KeyRef, Priority, Reply, Request, ServiceStatus, SignBatch};
use token::{Candidate, Checks, Config, KeyRing};

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
    subject_desk: Desk,
    guard: Guard,
    audit: Arc<Audit>,
    longest: Duration,
    checks: Checks,
    state_directory: Option<PathBuf>,
    started: Instant,
    /// When a signature was last asked for, in milliseconds since the start.
    asked_ms: AtomicU64,
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
            subject_desk: Desk::new(),
            guard: Guard::new(&config.limits),
            audit: Arc::new(audit),
            longest: Duration::from_millis(u64::from(config.limits.deadline_ms)),
            checks: config.checks,
            state_directory: config.state_directory.clone(),
            started: Instant::now(),
            asked_ms: AtomicU64::new(0),
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

    /// Where keys for others are made, which no token holds up.
    pub(crate) fn subject_desk(&self) -> &Desk {
        &self.subject_desk
    }

    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What is looked after.
    pub(crate) fn checks(&self) -> Checks {
        self.checks
    }

    /// Where is kept what has to outlast the process.
    pub(crate) fn state_directory(&self) -> Option<&Path> {
        self.state_directory.as_deref()
    }

    /// The longest that any signature is waited for.
    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }

    /// Takes a request in. Signatures and keys are answered by other threads, the rest at once.
    pub(crate) fn accept(&self, connection: &Arc<Connection>, id: u64, request: Request) {
        match request {
            Request::Sign(batch) => self.sign(connection, id, batch),
            Request::Generate(generate) => {
                let admitted = self.guard.admit_generation();
                hand_in(
                    &self.desk,
                    connection,
                    id,
                    admitted.map(|()| Errand::Generate(generate)),
                );
            }
            Request::ImportSoftware(import) => {
                let admitted = self.guard.admit_import();
                hand_in(
                    &self.desk,
                    connection,
                    id,
                    admitted.map(|()| Errand::Import(import)),
                );
            }
            Request::SubjectKey(request) => {
                hand_in(
                    &self.subject_desk,
                    connection,
                    id,
                    Ok(Errand::SubjectKey(request)),
                );
            }
            Request::List => connection.send(id, &Reply::Keys(self.ring.list())),
            Request::Status => connection.send(id, &Reply::Status(self.status())),
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
        self.asked_ms.store(self.milliseconds(now), Ordering::Relaxed);
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

    fn lane(&self, candidate: Candidate) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.candidate() == candidate)
    }

    /// The backend of a lane.
    pub(crate) fn backend(&self, lane: &Lane) -> Option<&Arc<dyn token::Keys>> {
        self.ring.backends().get(lane.candidate().0)
    }

    fn status(&self) -> ServiceStatus {
        let now = Instant::now();
        let lanes = self.lanes.iter().zip(self.ring.status());
        ServiceStatus {
            uptime_ms: self.milliseconds(now),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: lanes
                .map(|(lane, told)| lane.status(now, told, self.ring.circuit(lane.candidate())))
                .collect(),
        }
    }

    /// For how long nothing was asked.
    fn idle(&self, now: Instant) -> Duration {
        let asked = Duration::from_millis(self.asked_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(self.started).saturating_sub(asked)
    }

    /// Since the start.
    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether nothing waits and nothing is being made.
    pub(crate) fn is_idle(&self) -> bool {
        self.desk.is_idle()
            && self.subject_desk.is_idle()
            && self
                .lanes
                .iter()
                .all(|lane| lane.queued() == 0 && lane.in_flight() == 0)
    }

    /// Lets all working threads end once their queues are empty.
    pub(crate) fn close(&self) {
        self.lanes.iter().for_each(Lane::close);
        self.desk.close();
        self.subject_desk.close();
    }
}

/// Leaves an errand at a desk, or answers why not.
fn hand_in(desk: &Desk, connection: &Arc<Connection>, id: u64, errand: Result<Errand, Fault>) {
    let handed = errand.and_then(|errand| desk.hand_in(Arc::clone(connection), id, errand));
    if let Err(fault) = handed {
        connection.send(id, &Reply::Fault(fault));
    }
}

/// The fault for a body that is no request.
pub(crate) fn malformed(fault: signer_wire::WireFault) -> Reply {
    Reply::Fault(Fault::new(FaultClass::Refused, fault.to_string()))
}
