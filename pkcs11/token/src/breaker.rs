//! A circuit breaker for one token: after some failures in a row it is left alone for a while, then tried with one
//! request. One whose test signature was wrong is not tried with requests: it is held until a test signature is right. Time is an
//! argument.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use signer_wire::Circuit;

/// Failures in a row that open the circuit.
const FAILURES: u32 = 3;
/// The first pause; it doubles with each failed trial.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long after a call was seen not to return no trial is made.
const STILL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
enum State {
    /// All is well; this many failures in a row so far.
    Closed { failures: u32 },
    /// Left alone until then.
    Open { until: Instant, pause: Duration },
    /// One request is out to see whether it works again; another may follow when it gives no answer by then.
    Trial { until: Instant, pause: Duration },
    /// Left alone until it is released.
    Held,
}

/// What a circuit breaker says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// All is well.
    Ready,
    /// It may try whether the token works again; no other may for a while.
    Trial,
    /// The token is left alone.
    Resting,
}

/// The circuit breaker of one token.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: Mutex<State>,
    openings: AtomicU64,
}

impl Breaker {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            openings: AtomicU64::new(0),
        }
    }

    /// Whether a request may go to the token now. The one that is let through while the circuit is open is the
    /// trial.
    pub(crate) fn admit(&self, now: Instant) -> Admission {
        let mut state = self.state.lock();
        match *state {
            State::Closed { .. } => Admission::Ready,
            State::Open { until, pause } | State::Trial { until, pause } if now >= until => {
                *state = State::Trial {
                    until: now + pause,
                    pause,
                };
                Admission::Trial
            }
            State::Open { .. } | State::Trial { .. } | State::Held => Admission::Resting,
        }
    }

    /// A call into the token does not return: no failures in a row are waited for, and no trial is made as long as this is said
    /// again.
    pub(crate) fn stalled(&self, now: Instant) {
        let mut state = self.state.lock();
        *state = match *state {
            State::Closed { .. } => self.open(now + FIRST_PAUSE, FIRST_PAUSE),
            State::Open { until, pause } => State::Open {
                until: until.max(now + STILL),
                pause,
            },
            State::Trial { pause, .. } => again(now, pause),
            State::Held => State::Held,
        };
    }

    /// A request succeeded.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock();
        if !matches!(*state, State::Closed { failures: 0 } | State::Held) {
            *state = State::Closed { failures: 0 };
        }
    }

    /// A request failed because of the token.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state.lock();
        *state = match *state {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed {
                failures: failures + 1,
            },
            State::Closed { .. } => self.open(now + FIRST_PAUSE, FIRST_PAUSE),
            State::Trial { pause, .. } => again(now, pause),
            other @ (State::Open { .. } | State::Held) => other,
        };
    }

    /// Leaves the token alone until it is released: it signs, and wrongly.
    pub(crate) fn hold(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Closed { .. }) {
            self.openings.fetch_add(1, Ordering::Relaxed);
        }
        *state = State::Held;
    }

    /// The token signs rightly again.
    pub(crate) fn release(&self) {
        *self.state.lock() = State::Closed { failures: 0 };
    }

    /// How the circuit is.
    pub(crate) fn circuit(&self) -> Circuit {
        match *self.state.lock() {
            State::Closed { .. } => Circuit::Closed,
            State::Trial { .. } => Circuit::Trial,
            State::Open { .. } | State::Held => Circuit::Open,
        }
    }

    /// How often it was opened.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    fn open(&self, until: Instant, pause: Duration) -> State {
        self.openings.fetch_add(1, Ordering::Relaxed);
        State::Open { until, pause }
    }
}

/// Open again after a trial that brought nothing.
fn again(now: Instant, pause: Duration) -> State {
    let pause = (pause * 2).min(LONGEST_PAUSE);
    State::Open {
        until: now + pause,
        pause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_good_trial() {
        let (breaker, start) = (Breaker::new(), Instant::now());
        for _ in 0..FAILURES - 1 {
            breaker.failed(start);
        }
        breaker.succeeded();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(start), Admission::Ready);
            breaker.failed(start);
        }
        assert_eq!(breaker.admit(start), Admission::Resting);
        let later = start + FIRST_PAUSE;
        assert_eq!(breaker.admit(later), Admission::Trial);
        assert_eq!(breaker.admit(later), Admission::Resting, "one trial at a time");
        breaker.succeeded();
        assert_eq!(breaker.admit(later), Admission::Ready, "closed again");
    }

    #[test]
    fn the_pause_doubles_up_to_a_bound() {
        let (breaker, mut now) = (Breaker::new(), Instant::now());
        for _ in 0..FAILURES {
            breaker.failed(now);
        }
        let mut pause = FIRST_PAUSE;
        for _ in 0..12 {
            assert_eq!(breaker.admit(now), Admission::Resting);
            now += pause;
            assert_eq!(breaker.admit(now), Admission::Trial);
            breaker.failed(now);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause, LONGEST_PAUSE);
    }

    #[test]
    fn a_trial_without_an_answer_is_followed_by_another() {
        let (breaker, start) = (Breaker::new(), Instant::now());
        for _ in 0..FAILURES {
            breaker.failed(start);
        }
        assert_eq!(breaker.admit(start + FIRST_PAUSE), Admission::Trial);
        assert_eq!(breaker.admit(start + FIRST_PAUSE), Admission::Resting);
        assert_eq!(breaker.admit(start + FIRST_PAUSE * 2), Admission::Trial);
    }

    #[test]
    fn a_stall_opens_it_at_once() {
        let (breaker, start) = (Breaker::new(), Instant::now());
        breaker.stalled(start);
        assert_eq!(breaker.admit(start), Admission::Resting);
        breaker.stalled(start);
        assert_eq!(breaker.admit(start + FIRST_PAUSE), Admission::Trial);
        breaker.stalled(start + FIRST_PAUSE);
        assert_eq!(
            breaker.admit(start + FIRST_PAUSE * 2),
            Admission::Resting,
            "and a stalled trial doubles the pause"
        );
    }

    #[test]
    fn no_trial_is_made_while_a_call_does_not_return() {
        let (breaker, start) = (Breaker::new(), Instant::now());
        for tick in 0..100 {
            let now = start + tick * Duration::from_millis(20);
            breaker.stalled(now);
            assert_eq!(breaker.admit(now), Admission::Resting);
        }
        assert_eq!(
            breaker.admit(start + Duration::from_millis(2080)),
            Admission::Trial
        );
        assert_eq!(breaker.openings(), 1);
    }

    #[test]
    fn what_is_held_is_tried_by_nobody_until_it_is_released() {
        let (breaker, start) = (Breaker::new(), Instant::now());
        breaker.hold();
        breaker.succeeded();
        breaker.stalled(start);
        breaker.failed(start);
        assert_eq!(breaker.admit(start + LONGEST_PAUSE), Admission::Resting);
        assert_eq!(breaker.circuit(), Circuit::Open);
        breaker.release();
        assert_eq!(
            (breaker.admit(start), breaker.circuit(), breaker.openings()),
            (Admission::Ready, Circuit::Closed, 1)
        );
    }
}
