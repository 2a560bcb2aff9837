//! A circuit breaker for one token: after some failures in a row it is left alone for a while, then tried with one
//! request. Time is an argument.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Failures in a row that open the circuit.
const FAILURES: u32 = 3;
/// The first pause; it doubles with each failed trial.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
enum Circuit {
    /// All is well; this many failures in a row so far.
    Closed { failures: u32 },
    /// Left alone until then.
    Open { until: Instant, pause: Duration },
    /// One request is out to see whether it works again; another may follow when it gives no answer by then.
    Trial { until: Instant, pause: Duration },
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
    circuit: Mutex<Circuit>,
}

impl Breaker {
    pub(crate) const fn new() -> Self {
        Self {
            circuit: Mutex::new(Circuit::Closed { failures: 0 }),
        }
    }

    /// Whether a request may go to the token now. The one that is let through while the circuit is open is the
    /// trial.
    pub(crate) fn admit(&self, now: Instant) -> Admission {
        let mut circuit = self.circuit.lock();
        match *circuit {
            Circuit::Closed { .. } => Admission::Ready,
            Circuit::Open { until, pause } | Circuit::Trial { until, pause } if now >= until => {
                *circuit = Circuit::Trial {
                    until: now + pause,
                    pause,
                };
                Admission::Trial
            }
            Circuit::Open { .. } | Circuit::Trial { .. } => Admission::Resting,
        }
    }

    /// A call into the token does not return: no failures in a row are waited for.
    pub(crate) fn stalled(&self, now: Instant) {
        let mut circuit = self.circuit.lock();
        if matches!(*circuit, Circuit::Closed { .. }) {
            *circuit = Circuit::Open {
                until: now + FIRST_PAUSE,
                pause: FIRST_PAUSE,
            };
            return;
        }
        drop(circuit);
        self.failed(now);
    }

    /// A request succeeded.
    pub(crate) fn succeeded(&self) {
        let mut circuit = self.circuit.lock();
        if !matches!(*circuit, Circuit::Closed { failures: 0 }) {
            *circuit = Circuit::Closed { failures: 0 };
        }
    }

    /// A request failed because of the token.
    pub(crate) fn failed(&self, now: Instant) {
        let mut circuit = self.circuit.lock();
        *circuit = match *circuit {
            Circuit::Closed { failures } if failures + 1 < FAILURES => Circuit::Closed {
                failures: failures + 1,
            },
            Circuit::Closed { .. } => Circuit::Open {
                until: now + FIRST_PAUSE,
                pause: FIRST_PAUSE,
            },
            Circuit::Trial { pause, .. } => {
                let pause = (pause * 2).min(LONGEST_PAUSE);
                Circuit::Open {
                    until: now + pause,
                    pause,
                }
            }
            open @ Circuit::Open { .. } => open,
        };
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
}
