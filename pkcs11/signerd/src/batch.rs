//! The signatures of one request, from its arrival to its reply.
//!
//! Each signature is settled once, by whoever comes first: the thread that made it, the watch that saw its deadline
//! pass, or the door that refused it. The last one to be settled sends the reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use signer_wire::{Fault, FaultClass, Priority, Reply, Sign, SignBatch};

use crate::audit::Audit;
use crate::connection::Connection;

/// What became of one signature.
pub(crate) type Outcome = Result<Vec<u8>, Fault>;

/// The signatures of one request.
#[derive(Debug)]
pub(crate) struct Batch {
    connection: Arc<Connection>,
    audit: Arc<Audit>,
    id: u64,
    priority: Priority,
    arrived: Instant,
    deadline: Instant,
    items: Vec<Sign>,
    settled: Vec<Settled>,
    outcomes: Mutex<Vec<Option<Outcome>>>,
    remaining: AtomicUsize,
}

/// The state of one signature.
#[derive(Debug, Default)]
struct Settled {
    is_settled: AtomicBool,
    /// The backends that were tried, a bit for each.
    tried: AtomicU64,
}

/// One signature of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    batch: Arc<Batch>,
    place: usize,
}

impl Batch {
    /// A request that just arrived; it waits no longer than `longest`.
    pub(crate) fn arrive(
        connection: Arc<Connection>,
        audit: Arc<Audit>,
        id: u64,
        request: SignBatch,
        longest: Duration,
    ) -> Arc<Self> {
        let asked = Duration::from_millis(u64::from(request.deadline_ms));
        let wait = if asked.is_zero() {
            longest
        } else {
            asked.min(longest)
        };
        let arrived = Instant::now();
        let count = request.items.len();
        Arc::new(Self {
            connection,
            audit,
            id,
            priority: request.priority,
            arrived,
            deadline: arrived + wait,
            items: request.items,
            settled: (0..count).map(|_| Settled::default()).collect(),
            outcomes: Mutex::new((0..count).map(|_| None).collect()),
            remaining: AtomicUsize::new(count),
        })
    }

    /// All its signatures.
    pub(crate) fn jobs(self: &Arc<Self>) -> impl Iterator<Item = Job> {
        (0..self.items.len()).map(|place| Job {
            batch: Arc::clone(self),
            place,
        })
    }

    /// Writes the audit line and sends the reply. Signatures whose making cannot be recorded are not handed out.
    fn finish(&self) {
        let outcomes = std::mem::take(&mut *self.outcomes.lock());
        let lost = || Err(Fault::new(FaultClass::Internal, "an outcome was lost"));
        let outcomes: Vec<Outcome> = outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(lost))
            .collect();
        let recorded = self.audit.signatures(
            self.connection.peer(),
            self.id,
            self.priority,
            &self.items,
            &outcomes,
            self.arrived.elapsed(),
        );
        let reply = match recorded {
            Ok(()) => Reply::Signatures(outcomes),
            Err(error) => Reply::Fault(Fault::new(
                FaultClass::Internal,
                format!("the audit line cannot be written, so nothing is handed out: {error}"),
            )),
        };
        self.connection.send(self.id, &reply);
    }
}

impl Job {
    /// What is to be signed; `None` never, in a batch that was put together here.
    pub(crate) fn item(&self) -> Option<&Sign> {
        self.batch.items.get(self.place)
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.batch.deadline
    }

    pub(crate) fn priority(&self) -> Priority {
        self.batch.priority
    }

    /// Whether somebody has settled it already.
    pub(crate) fn is_settled(&self) -> bool {
        self.state()
            .is_none_or(|state| state.is_settled.load(Ordering::Acquire))
    }

    /// Notes that this backend is trying it; `false` when it has tried before.
    pub(crate) fn try_on(&self, backend: usize) -> bool {
        let bit = 1_u64 << (backend % 64);
        self.state()
            .is_some_and(|state| state.tried.fetch_or(bit, Ordering::AcqRel) & bit == 0)
    }

    /// Whether this backend has tried it.
    pub(crate) fn was_tried_on(&self, backend: usize) -> bool {
        self.state()
            .is_none_or(|state| state.tried.load(Ordering::Acquire) & (1_u64 << (backend % 64)) != 0)
    }

    /// Settles it, unless somebody has; the last one of its batch sends the reply. Says whether it was settled here.
    pub(crate) fn settle(&self, outcome: Outcome) -> bool {
        let Some(state) = self.state() else { return false };
        if state.is_settled.swap(true, Ordering::AcqRel) {
            return false;
        }
        if let Some(place) = self.batch.outcomes.lock().get_mut(self.place) {
            *place = Some(outcome);
        }
        if self.batch.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.batch.finish();
        }
        true
    }

    /// Settles it with the fault of a deadline that has passed.
    pub(crate) fn settle_late(&self) -> bool {
        self.settle(Err(Fault::new(
            FaultClass::Deadline,
            "the deadline of the request has passed",
        )))
    }

    fn state(&self) -> Option<&Settled> {
        self.batch.settled.get(self.place)
    }
}
