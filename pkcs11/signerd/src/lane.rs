//! One backend's queue and the threads that sign for it.
//!
//! A backend has as many threads as it has sessions, each of its own, so that a token that is slow or hangs holds up
//! nobody but those who wait for it. Of a token whose sessions are learnt (`probe.rs`) as many threads work as sessions were
//! found to be of use; the others stand by. What is more urgent is signed first; each priority has a bounded queue of its
//! own, so that pre-signing never crowds out a revocation, and a full queue answers at once.

mod flights;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use signer_wire::{Circuit, Fault, FaultClass, LaneStatus, Priority};
use token::{BackendStatus, Candidate, Error, KeyRing};

use crate::batch::Job;
use crate::probe::Probe;
use crate::upkeep::Upkeep;
use flights::Flights;
pub(crate) use flights::Seen;

/// A call that lasts longer than this makes its token one that does not answer, in what is told of it.
const SILENT: Duration = Duration::from_secs(1);

/// One backend's queue.
#[derive(Debug)]
pub(crate) struct Lane {
    candidate: Candidate,
    /// Signatures of one priority that may wait.
    room: usize,
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// For the threads that stand by.
    widened: Condvar,
    probe: Mutex<Probe>,
    /// What each thread is signing.
    flights: Flights,
    /// What was found out about the token besides.
    upkeep: Upkeep,
    signed: AtomicU64,
    failed: AtomicU64,
    shed: AtomicU64,
    busy_us: AtomicU64,
    handed_over: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    ranks: [VecDeque<Job>; Priority::ALL.len()],
    /// How many threads work.
    width: usize,
    is_closed: bool,
}

/// What a thread of a lane made of a job.
pub(crate) enum Landing {
    /// It is settled.
    Settled,
    /// The backend failed, and another one may try.
    Elsewhere(Job, Error),
}

impl Lane {
    /// A lane that begins with `width` signatures at the same time and may learn to make up to `most`.
    pub(crate) fn new(candidate: Candidate, width: usize, most: usize, room: usize) -> Self {
        let most = most.max(width);
        Self {
            candidate,
            room,
            queue: Mutex::new(Queue {
                width,
                ..Queue::default()
            }),
            arrived: Condvar::new(),
            widened: Condvar::new(),
            probe: Mutex::new(Probe::new(width, Instant::now())),
            flights: Flights::new(most),
            upkeep: Upkeep::default(),
            signed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
            handed_over: AtomicU64::new(0),
        }
    }

    /// The backend it signs with.
    pub(crate) fn candidate(&self) -> Candidate {
        self.candidate
    }

    /// How many threads it has, working and standing by.
    pub(crate) fn threads(&self) -> usize {
        self.flights.len()
    }

    /// How many signatures it makes at the same time.
    pub(crate) fn width(&self) -> usize {
        self.queue.lock().width
    }

    /// Puts signatures of one priority into the queue; those that have no room are settled as overload.
    pub(crate) fn enqueue(&self, priority: Priority, jobs: impl IntoIterator<Item = Job>) {
        let mut over: Vec<Job> = Vec::new();
        let mut taken = 0_usize;
        {
            let mut queue = self.queue.lock();
            let is_closed = queue.is_closed;
            let Some(rank) = queue.ranks.get_mut(priority.rank()) else {
                return;
            };
            for job in jobs {
                if rank.len() < self.room && !is_closed {
                    rank.push_back(job);
                    taken += 1;
                } else {
                    over.push(job);
                }
            }
        }
        match taken {
            0 => {}
            1 => drop(self.arrived.notify_one()),
            _ => drop(self.arrived.notify_all()),
        }
        if !over.is_empty() {
            self.shed(over);
        }
    }

    fn shed(&self, over: Vec<Job>) {
        self.shed.fetch_add(over.len() as u64, Ordering::Relaxed);
        let wait = u32::try_from(self.time_to_drain().as_millis())
            .unwrap_or(u32::MAX)
            .max(10);
        for job in over {
            let fault = Fault::new(FaultClass::Overloaded, "the queue of the token is full");
            job.settle(Err(fault.retry_after(wait)));
        }
    }

    /// How long the queue takes at the rate seen so far.
    fn time_to_drain(&self) -> Duration {
        let made = self.signed.load(Ordering::Relaxed).max(1);
        let each = Duration::from_micros(self.busy_us.load(Ordering::Relaxed) / made);
        let waiting = self.queue.lock().ranks.iter().map(VecDeque::len).sum::<usize>();
        each.saturating_mul(u32::try_from(waiting / self.width().max(1)).unwrap_or(u32::MAX))
    }

    /// How many signatures wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.lock().ranks.iter().map(VecDeque::len).sum()
    }

    /// How many signatures are being made.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.count()
    }

    /// How long the oldest call into the backend has lasted.
    pub(crate) fn oldest_call(&self, now: Instant) -> Duration {
        self.flights
            .look(now)
            .oldest_call
            .max(self.upkeep.oldest_call(now))
    }

    /// What its keeper found out.
    pub(crate) fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    /// The life of one of its threads. `elsewhere` is told of jobs that another backend may try.
    pub(crate) fn work(&self, thread: usize, ring: &KeyRing, elsewhere: impl Fn(&Job, &Error)) {
        while let Some(job) = self.take(thread) {
            if let Landing::Elsewhere(job, error) = self.fly(thread, ring, job) {
                elsewhere(&job, &error);
            }
        }
    }

    /// The most urgent job, waiting for one; `None` when the lane is closed and empty.
    fn take(&self, thread: usize) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if thread >= queue.width && !queue.is_closed {
                // It may have been woken for a job, which is another's now.
                self.arrived.notify_one();
                self.widened.wait(&mut queue);
                continue;
            }
            if let Some(job) = queue.ranks.iter_mut().find_map(VecDeque::pop_front) {
                return Some(job);
            }
            if queue.is_closed {
                return None;
            }
            self.arrived.wait(&mut queue);
        }
    }

    fn fly(&self, thread: usize, ring: &KeyRing, job: Job) -> Landing {
        let started = Instant::now();
        let Some(item) = job.item().filter(|_| !job.is_settled()) else {
            return Landing::Settled;
        };
        if job.deadline() <= started {
            self.failed.fetch_add(1, Ordering::Relaxed);
            job.settle_late();
            return Landing::Settled;
        }
        job.try_on(self.candidate.0);
        self.flights.begin(thread, job.clone(), started);
        let signed = catch_unwind(AssertUnwindSafe(|| {
            ring.sign_on(
                self.candidate,
                &item.key,
                item.scheme,
                &item.input,
                Some(job.deadline()),
            )
        }));
        self.flights.end(thread);
        let taken = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.busy_us.fetch_add(taken, Ordering::Relaxed);
        match signed {
            Ok(Ok(signature)) => {
                self.signed.fetch_add(1, Ordering::Relaxed);
                self.flights.learn(taken);
                job.settle(Ok(signature));
            }
            Ok(Err(error)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                if error.concerns_one_token() {
                    return Landing::Elsewhere(job, error);
                }
                job.settle(Err(error.to_fault()));
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(thread, "a signing thread panicked; it goes on");
                job.settle(Err(Fault::new(
                    FaultClass::Internal,
                    "the signing thread panicked",
                )));
            }
        }
        Landing::Settled
    }

    /// Settles what has waited past its deadline in the queue, and gives what takes long in the backend.
    pub(crate) fn expire(&self, now: Instant) -> Seen {
        for job in self.take_out(|job| job.deadline() <= now) {
            self.failed.fetch_add(1, Ordering::Relaxed);
            job.settle_late();
        }
        self.flights.look(now)
    }

    /// Counts signatures that were asked of another backend because this one does not answer.
    pub(crate) fn count_handed_over(&self, count: usize) {
        self.handed_over.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Learns how many signatures to make at the same time; `name` and `most` are those of the backend.
    pub(crate) fn learn(&self, now: Instant, name: &str, most: usize) {
        let made = self.signed.load(Ordering::Relaxed);
        let most = most.min(self.threads());
        let Some(width) = self.probe.lock().look(now, made, self.queued() > 0, most) else {
            return;
        };
        tracing::debug!(
            token = name,
            sessions = width,
            "signing with another number of sessions"
        );
        self.queue.lock().width = width;
        self.widened.notify_all();
    }

    /// Takes jobs out of the queue.
    pub(crate) fn take_out(&self, which: impl Fn(&Job) -> bool) -> Vec<Job> {
        let mut queue = self.queue.lock();
        let mut out = Vec::new();
        for rank in &mut queue.ranks {
            if rank.iter().any(&which) {
                let (taken, kept): (VecDeque<Job>, _) = std::mem::take(rank).into_iter().partition(&which);
                *rank = kept;
                out.extend(taken);
            }
        }
        out
    }

    /// Lets the threads end when the queue is empty.
    pub(crate) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.arrived.notify_all();
        self.widened.notify_all();
    }

    /// How it is doing; what the backend says of itself and how its circuit is comes from the caller.
    pub(crate) fn status(&self, now: Instant, told: BackendStatus, circuit: (Circuit, u64)) -> LaneStatus {
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let silent = self.oldest_call(now);
        let (available, detail) = if silent > SILENT {
            let detail = format!("it does not answer, for {} s by now", silent.as_secs());
            (false, detail)
        } else {
            (told.available, told.detail)
        };
        LaneStatus {
            name: told.name,
            available,
            detail,
            width: small(self.width()),
            queued: small(self.queued()),
            in_flight: small(self.in_flight()),
            signed: self.signed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            shed: self.shed.load(Ordering::Relaxed),
            busy_us: self.busy_us.load(Ordering::Relaxed),
            circuit: circuit.0,
            circuit_openings: circuit.1,
            handed_over: self.handed_over.load(Ordering::Relaxed),
            tests_passed: self.upkeep.tests_passed(),
            tests_failed: self.upkeep.tests_failed(),
            keys_changed: small(self.upkeep.keys_changed()),
            warning: self.upkeep.warning(),
        }
    }
}

#[cfg(test)]
mod tests;
