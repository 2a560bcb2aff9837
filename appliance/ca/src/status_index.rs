//! The status of every serial an issuer ever signed, in memory.
//!
//! Loaded once by a streaming read, then changed by whoever committed a change. Commits are answered together and their
//! tasks may run in any order, so each change carries the number of its audit entry, and an older one never undoes a
//! newer one. That number is the generation under which an OCSP answer is cached: a stale *good* cannot be found again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::RwLock;
use pki::Serial;
use pki::crl::RevocationReason;

/// What is known of a serial.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// Issued, not revoked.
    Good,
    /// Revoked or on hold.
    Revoked {
        /// Epoch milliseconds.
        at: i64,
        /// Why.
        reason: RevocationReason,
    },
}

/// A state and the change that brought it about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Status {
    pub(crate) state: State,
    /// The number of the audit entry; 0 when it was so at the start.
    pub(crate) generation: i64,
}

/// Serial → status.
#[derive(Debug, Default)]
pub(crate) struct StatusIndex {
    statuses: RwLock<HashMap<Serial, Status>>,
}

impl StatusIndex {
    /// Takes a change over, unless a later one is known.
    pub(crate) fn apply(&self, serial: Serial, state: State, generation: i64) {
        let change = Status { state, generation };
        match self.statuses.write().entry(serial) {
            Entry::Vacant(vacant) => drop(vacant.insert(change)),
            Entry::Occupied(mut known) if known.get().generation <= generation => drop(known.insert(change)),
            Entry::Occupied(_) => {}
        }
    }

    pub(crate) fn find(&self, serial: &Serial) -> Option<Status> {
        self.statuses.read().get(serial).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.statuses.read().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_change_never_undoes_a_newer_one() {
        let index = StatusIndex::default();
        let serial = Serial::from_random([7; 16]);
        assert_eq!(index.find(&serial), None);
        let revoked = State::Revoked {
            at: 5,
            reason: RevocationReason::Superseded,
        };
        index.apply(serial, revoked, 12);
        index.apply(serial, State::Good, 11);
        assert_eq!(
            index.find(&serial),
            Some(Status {
                state: revoked,
                generation: 12
            })
        );
        index.apply(serial, State::Good, 13);
        assert_eq!(index.find(&serial).map(|status| status.state), Some(State::Good));
        assert_eq!(index.len(), 1);
    }
}
