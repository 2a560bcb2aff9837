//! The status of every serial an issuer ever signed, in memory.
//!
//! Loaded once by a streaming read, then changed by whoever committed a change. Commits are answered together and their
//! tasks may run in any order, so each change carries the number of its audit entry, and an older one never undoes a
//! newer one. A serial that is good, as nearly all are, takes 24 to 30 octets; one that was ever revoked 16 more.

mod table;

use std::collections::HashMap;

use parking_lot::RwLock;
use pki::Serial;
use pki::crl::RevocationReason;

use table::Table;

/// What is known of a serial.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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

/// Serial → state. Cut into shards, so that writing to one does not stop the readers of the others, and growing takes no
/// longer than a shard takes.
#[derive(Debug)]
pub(crate) struct StatusIndex {
    shards: Vec<RwLock<Shard>>,
}

/// A part of the serials. The number of a serial is 0 for good, otherwise the place of its change, from 1.
#[derive(Debug, Default)]
struct Shard {
    usual: Table,
    /// Serials of another length than ours, which came with a CA from elsewhere.
    unusual: HashMap<Serial, u32>,
    changes: Vec<Change>,
}

/// The last change of a serial.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// When it was revoked, epoch milliseconds.
    at: i64,
    /// The number of the audit entry, shifted left by 8 bits; below it the CRLReason, or [`RELEASED`].
    entry_and_reason: i64,
}

const SHARDS: usize = 256;
const GOOD: u32 = 0;
/// In the place of a reason: it is good again.
const RELEASED: u8 = 0xff;

impl Default for StatusIndex {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }
}

impl StatusIndex {
    /// Takes a change over, unless a later one is known. `entry` is the number of its audit entry; 0 when it was so at the
    /// start.
    pub(crate) fn apply(&self, serial: Serial, state: State, entry: i64) {
        if let Some(shard) = self.shard(&serial) {
            shard.write().apply(serial, state, entry);
        }
    }

    pub(crate) fn find(&self, serial: &Serial) -> Option<State> {
        self.shard(serial)?.read().find(serial)
    }

    /// The number of the audit entry of the last change of a serial; 0 when it is as it was at the start.
    pub(crate) fn changed_by(&self, serial: &Serial) -> i64 {
        let Some(shard) = self.shard(serial) else {
            return 0;
        };
        let shard = shard.read();
        let change = shard.number(serial).and_then(|number| shard.change(number));
        change.map_or(0, |change| change.entry_and_reason >> 8)
    }

    pub(crate) fn len(&self) -> usize {
        let sizes = self.shards.iter().map(|shard| {
            let shard = shard.read();
            shard.usual.len() + shard.unusual.len()
        });
        sizes.sum()
    }

    /// Octets it takes; what serials of an unusual length take is estimated.
    pub(crate) fn octets(&self) -> usize {
        let sizes = self.shards.iter().map(|shard| {
            let shard = shard.read();
            shard.usual.octets()
                + shard.unusual.capacity() * (size_of::<(Serial, u32)>() + 1)
                + shard.changes.capacity() * size_of::<Change>()
        });
        sizes.sum()
    }

    fn shard(&self, serial: &Serial) -> Option<&RwLock<Shard>> {
        // The second octet of a random serial is random; the first has two fixed bits.
        let octet = serial.as_bytes().get(1).or(serial.as_bytes().first())?;
        self.shards.get(usize::from(*octet))
    }
}

impl Shard {
    fn apply(&mut self, serial: Serial, state: State, entry: i64) {
        let known = self.number(&serial);
        if let Some(change) = known.and_then(|number| self.change_mut(number)) {
            if change.entry_and_reason >> 8 <= entry {
                *change = Change::of(state, entry);
            }
        } else if let State::Revoked { .. } = state {
            self.changes.push(Change::of(state, entry));
            // A shard of four thousand million revoked serials does not fit a machine.
            let number = u32::try_from(self.changes.len()).unwrap_or(u32::MAX - 1);
            self.set_number(serial, number);
        } else if known.is_none() {
            self.set_number(serial, GOOD);
        }
    }

    fn find(&self, serial: &Serial) -> Option<State> {
        match self.number(serial)? {
            GOOD => Some(State::Good),
            number => self.change(number).map(Change::state),
        }
    }

    fn number(&self, serial: &Serial) -> Option<u32> {
        match serial.as_bytes().first_chunk() {
            Some(octets) if is_usual(serial) => self.usual.find(octets),
            _ => self.unusual.get(serial).copied(),
        }
    }

    fn set_number(&mut self, serial: Serial, number: u32) {
        match serial.as_bytes().first_chunk() {
            Some(octets) if is_usual(&serial) => self.usual.set(*octets, number),
            _ => drop(self.unusual.insert(serial, number)),
        }
    }

    fn change(&self, number: u32) -> Option<&Change> {
        self.changes.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    fn change_mut(&mut self, number: u32) -> Option<&mut Change> {
        self.changes
            .get_mut(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}

impl Change {
    fn of(state: State, entry: i64) -> Self {
        let (at, reason) = match state {
            State::Good => (0, RELEASED),
            State::Revoked { at, reason } => (at, reason.code()),
        };
        Self {
            at,
            entry_and_reason: (entry << 8) | i64::from(reason),
        }
    }

    fn state(&self) -> State {
        let [.., reason] = self.entry_and_reason.to_be_bytes();
        if reason == RELEASED {
            return State::Good;
        }
        State::Revoked {
            at: self.at,
            reason: RevocationReason::from_code(reason).unwrap_or(RevocationReason::Unspecified),
        }
    }
}

fn is_usual(serial: &Serial) -> bool {
    serial.as_bytes().len() == table::LENGTH
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    const REVOKED: State = State::Revoked {
        at: 5,
        reason: RevocationReason::Superseded,
    };

    #[test]
    fn an_older_change_never_undoes_a_newer_one() {
        for serial in [Serial::from_random([7; 16]), Serial::from_unsigned(&[9]).unwrap()] {
            let index = StatusIndex::default();
            assert_eq!(index.find(&serial), None);
            index.apply(serial, REVOKED, 12);
            index.apply(serial, State::Good, 11);
            assert_eq!(index.find(&serial), Some(REVOKED));
            index.apply(serial, State::Good, 13);
            assert_eq!(index.find(&serial), Some(State::Good));
            index.apply(serial, REVOKED, 12);
            assert_eq!(index.find(&serial), Some(State::Good));
            assert_eq!(index.len(), 1);
        }
    }

    #[test]
    fn every_reason_comes_back() {
        let index = StatusIndex::default();
        let serial = Serial::from_random([7; 16]);
        index.apply(serial, State::Good, 0);
        for (entry, code) in (1..).zip(0..=10) {
            let Some(reason) = RevocationReason::from_code(code) else {
                continue;
            };
            let state = State::Revoked { at: -1, reason };
            index.apply(serial, state, entry);
            assert_eq!(index.find(&serial), Some(state));
        }
    }

    #[test]
    fn a_certificate_takes_at_most_forty_octets() {
        let index = StatusIndex::default();
        let mut random = [0; 16];
        for number in 0..200_000_u64 {
            random[1..9].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            random[8..].copy_from_slice(&number.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes());
            let state = if number % 20 == 0 { REVOKED } else { State::Good };
            index.apply(Serial::from_random(random), state, 0);
        }
        let each = index.octets() / index.len();
        assert!(
            index.len() > 199_000 && each <= 40,
            "{} of {each} octets",
            index.len()
        );
    }
}
