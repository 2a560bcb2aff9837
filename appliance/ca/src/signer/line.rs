//! A line in front of a few places, in which the more urgent stand before the others.
//!
//! It is what the signing service's lanes are, for keys in this process: each priority has a bounded line of its own, so that
//! signing ahead never crowds out a revocation, and who is beyond the bound is told so at once. A less urgent one waits for
//! as long as there are more urgent ones; what it waits for has a deadline.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use signer_wire::Priority;
use tokio::sync::oneshot;

/// The places and who waits for one. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// How many of each priority may wait.
    room: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: [VecDeque<oneshot::Sender<Place>>; Priority::ALL.len()],
}

/// A place; whoever is next gets it when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    line: Option<Line>,
}

/// No more of this priority may wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

impl Line {
    /// So many places, and so many of each priority that may wait.
    pub(super) fn new(places: usize, room: usize) -> Self {
        let state = State {
            free: places,
            waiting: Default::default(),
        };
        Self {
            room,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Takes a place or stands in line for one. Who no longer waits for what this gives leaves the line.
    pub(super) fn stand(&self, priority: Priority) -> Result<oneshot::Receiver<Place>, Full> {
        let (next, place) = oneshot::channel();
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            drop(state);
            // The other end is in this function.
            let _ = next.send(Place {
                line: Some(self.clone()),
            });
            return Ok(place);
        }
        let waiting = state.waiting.get_mut(priority.rank()).ok_or(Full)?;
        if waiting.len() >= self.room {
            waiting.retain(|one| !one.is_closed());
        }
        if waiting.len() >= self.room {
            return Err(Full);
        }
        waiting.push_back(next);
        Ok(place)
    }

    fn pass_on(self, mut place: Place) {
        loop {
            let next = {
                let mut state = self.state.lock();
                let next = state.waiting.iter_mut().find_map(VecDeque::pop_front);
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else {
                return;
            };
            place.line = Some(self.clone());
            match next.send(place) {
                Ok(()) => return,
                // It has left the line. The place must not be passed on by being dropped here.
                Err(back) => place = back,
            }
            place.line = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            line.pass_on(Self { line: None });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn the_urgent_stand_before_the_others_and_who_left_is_passed_over() {
        let line = Line::new(1, 9);
        let first = line.stand(Priority::PreSigning).unwrap().try_recv().unwrap();
        let mut ahead = line.stand(Priority::PreSigning).unwrap();
        let mut ocsp = line.stand(Priority::OcspOnDemand).unwrap();
        let gone = line.stand(Priority::Revocation).unwrap();
        let mut crl = line.stand(Priority::Revocation).unwrap();
        let mut certificate = line.stand(Priority::Issuance).unwrap();
        drop(gone);
        let mut place = first;
        for next in [&mut crl, &mut certificate, &mut ocsp, &mut ahead] {
            assert!(next.try_recv().is_err(), "before its turn");
            drop(place);
            place = next.try_recv().unwrap();
        }
        drop(place);
        assert!(
            line.stand(Priority::PreSigning).unwrap().try_recv().is_ok(),
            "the place is free again"
        );
    }

    #[test]
    fn a_full_line_is_full_for_its_priority_alone() {
        let line = Line::new(1, 1);
        let _place = line.stand(Priority::PreSigning).unwrap().try_recv().unwrap();
        let waiting = line.stand(Priority::PreSigning).unwrap();
        assert_eq!(line.stand(Priority::PreSigning).map(drop), Err(Full));
        let _other = line.stand(Priority::Revocation).unwrap();
        drop(waiting);
        assert!(line.stand(Priority::PreSigning).is_ok(), "who left has left room");
    }

    #[test]
    fn a_place_that_nobody_took_is_not_lost() {
        let line = Line::new(1, 9);
        drop(line.stand(Priority::Issuance).unwrap());
        let place = line.stand(Priority::Issuance).unwrap().try_recv().unwrap();
        let waiting = line.stand(Priority::Issuance).unwrap();
        drop(place);
        // The place was given and never looked at.
        drop(waiting);
        assert!(line.stand(Priority::Issuance).unwrap().try_recv().is_ok());
    }
}
