//! The signatures of one request, from its arrival to its reply.
//!
//! Each signature is settled once, by whoever comes first: a thread that made it (two tokens may be at it), the watch that saw
//! its deadline pass, or the door that refused it. The last one to be settled sends the reply.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use signer_wire::{Fault, FaultClass, Priority, Reply, Sign, SignBatch};

use crate::audit::Audit;
use crate::connection::Connection;

/// What became of one signature.
pub(crate) type Outcome = Result<Vec<u8>, Fault>;

/// Who waits for the signatures.
#[derive(Debug)]
enum Asker {
    /// A client, for the reply to his request of this number; and where the line about it goes.
    Client(Arc<Connection>, u64, Arc<Audit>),
    /// This service itself, which wants to know about one token and keeps its own record.
    Keeper(mpsc::Sender<Outcome>),
}

/// The signatures of one request.
#[derive(Debug)]
pub(crate) struct Batch {
    asker: Asker,
    priority: Priority,
    arrived: Instant,
    deadline: Instant,
    items: Vec<Sign>,
    states: Vec<State>,
    outcomes: Mutex<Vec<Option<Outcome>>>,
    remaining: AtomicUsize,
}

/// The state of one signature.
#[derive(Debug, Default)]
struct State {
    is_settled: AtomicBool,
    /// The backends that were tried, a bit for each.
    tried: AtomicU64,
    /// Whether another backend was asked while one was still at it.
    is_handed_over: AtomicBool,
    /// Whether a backend that was tried may have signed, for all that is known.
    may_be_signed: AtomicBool,
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
        Self::new(Asker::Client(connection, id, audit), request, longest)
    }

    /// One signature that this service wants of itself: for this backend alone, and less urgent than any other.
    pub(crate) fn of_keeper(item: Sign, longest: Duration) -> (Arc<Self>, mpsc::Receiver<Outcome>) {
        let (sender, outcome) = mpsc::channel();
        let request = SignBatch {
            priority: Priority::PreSigning,
            deadline_ms: 0,
            items: vec![item],
        };
        (Self::new(Asker::Keeper(sender), request, longest), outcome)
    }

    fn new(asker: Asker, request: SignBatch, longest: Duration) -> Arc<Self> {
        let wanted = Duration::from_millis(u64::from(request.deadline_ms));
        let wait = if wanted.is_zero() {
            longest
        } else {
            wanted.min(longest)
        };
        let arrived = Instant::now();
        let count = request.items.len();
        Arc::new(Self {
            asker,
            priority: request.priority,
            arrived,
            deadline: arrived + wait,
            items: request.items,
            states: (0..count).map(|_| State::default()).collect(),
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
        let (connection, id, audit) = match &self.asker {
            Asker::Client(connection, id, audit) => (connection, *id, audit),
            Asker::Keeper(sender) => {
                // A keeper that does not wait any more needs no outcome.
                for outcome in outcomes {
                    drop(sender.send(outcome));
                }
                return;
            }
        };
        let recorded = audit.signatures(
            connection.peer(),
            id,
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
        connection.send(id, &reply);
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

    /// Whether it is about one backend, so that no other can do it.
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self.batch.asker, Asker::Keeper(_))
    }

    /// Notes that another backend is asked while one is still at it; `false` when that was noted before.
    pub(crate) fn hand_over(&self) -> bool {
        self.state()
            .is_some_and(|state| !state.is_handed_over.swap(true, Ordering::AcqRel))
    }

    /// A backend failed, and another may be asked: notes what that leaves open.
    pub(crate) fn note(&self, fault: &Fault) {
        if let Some(state) = self.state().filter(|_| fault.class.may_have_signed()) {
            state.may_be_signed.store(true, Ordering::Release);
        }
    }

    /// Settles it with the fault of the last backend that was asked. That one did not sign is no news while another may have.
    pub(crate) fn give_up(&self, fault: Fault) -> bool {
        let may_be_signed = self.state().is_some_and(|state| {
            state.may_be_signed.load(Ordering::Acquire) || state.is_handed_over.load(Ordering::Acquire)
        });
        if may_be_signed && !fault.class.may_have_signed() {
            return self.settle(Err(Fault::new(FaultClass::Retryable, fault.message)));
        }
        self.settle(Err(fault))
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

    fn state(&self) -> Option<&State> {
        self.batch.states.get(self.place)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use signer_wire::{Input, KeyRef, Scheme};

    use super::*;

    fn one() -> (Job, mpsc::Receiver<Outcome>) {
        let item = Sign {
            key: KeyRef::new([1; 32]),
            scheme: Scheme::EcdsaSha256,
            input: Input::Message(vec![1]),
        };
        let (batch, outcome) = Batch::of_keeper(item, Duration::from_secs(1));
        (batch.jobs().next().unwrap(), outcome)
    }

    fn absent() -> Fault {
        Fault::new(FaultClass::TokenAbsent, "gone")
    }

    #[test]
    fn a_signature_that_may_exist_is_never_told_not_to() {
        let given_up = |before: &dyn Fn(&Job)| {
            let (job, outcome) = one();
            before(&job);
            assert!(job.give_up(absent()) && !job.give_up(absent()), "once");
            outcome.recv().unwrap().unwrap_err().class
        };
        assert_eq!(given_up(&|_| ()), FaultClass::TokenAbsent);
        assert_eq!(given_up(&|job| job.note(&absent())), FaultClass::TokenAbsent);
        let failed = Fault::new(FaultClass::Retryable, "CKR_FUNCTION_FAILED");
        assert_eq!(given_up(&|job| job.note(&failed)), FaultClass::Retryable);
        assert_eq!(
            given_up(&|job| assert!(job.hand_over() && !job.hand_over())),
            FaultClass::Retryable
        );
    }
}
