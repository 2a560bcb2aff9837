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
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut circuit = self.circuit.lock();
        match *circuit {
            Circuit::Closed { .. } => true,
            Circuit::Open { until, pause } | Circuit::Trial { until, pause } if now >= until => {
                *circuit = Circuit::Trial {
                    until: now + pause,
                    pause,
                };
                true
            }
            Circuit::Open { .. } | Circuit::Trial { .. } => false,
        }
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
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(!breaker.admits(start), "open");
        let later = start + FIRST_PAUSE;
        assert!(breaker.admits(later), "one trial");
        assert!(!breaker.admits(later), "and only one");
        breaker.succeeded();
        assert!(breaker.admits(later) && breaker.admits(later), "closed again");
    }

    #[test]
    fn the_pause_doubles_up_to_a_bound() {
        let (breaker, mut now) = (Breaker::new(), Instant::now());
        for _ in 0..FAILURES {
            breaker.failed(now);
        }
        let mut pause = FIRST_PAUSE;
        for _ in 0..12 {
            assert!(!breaker.admits(now + pause.checked_sub(Duration::from_millis(1)).unwrap_or_default()));
            now += pause;
            assert!(breaker.admits(now));
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
        assert!(breaker.admits(start + FIRST_PAUSE));
        assert!(!breaker.admits(start + FIRST_PAUSE));
        assert!(breaker.admits(start + FIRST_PAUSE * 2));
    }
}
