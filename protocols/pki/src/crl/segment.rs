//! A bounded run of entries: their DER one after the other, and beside each the end of its certificate.

use std::cmp::Ordering;

use super::EncodedEntry;
use crate::serial::Serial;

/// Most octets of entries in a segment: few enough that one change moves little, enough that a list of millions has
/// thousands of segments and not more. Unit tests have small ones, to see many.
pub(super) const LIMIT: usize = if cfg!(test) { 512 } else { 64 * 1024 };
/// Segments grow by this at most, so that what they do not use stays small.
const GROWTH: usize = 4096;

/// A run of entries in rising order of serial.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    der: Vec<u8>,
    /// Seconds since 1970 at which the certificate of each entry ends.
    ends: Vec<u32>,
    /// No certificate here ends before.
    earliest_end: u32,
    /// Nothing here was revoked later; seconds since 1970.
    newest: i64,
    may_remove: bool,
    bounds: Option<(Serial, Serial)>,
}

/// Where an entry is or would be.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: usize,
    index: usize,
    /// The octets of the entry that is there already.
    octets: usize,
}

impl Segment {
    /// Puts an entry in the place of the one with its serial, or in its order; whether it is new.
    pub(super) fn put(&mut self, entry: &EncodedEntry, end: u32) -> bool {
        let place = self.place(entry.serial);
        if self.der.capacity() < self.der.len() + entry.der.len() {
            self.der
                .reserve_exact(entry.der.len() + self.der.len().min(GROWTH));
        }
        self.earliest_end = if self.ends.is_empty() {
            end
        } else {
            self.earliest_end.min(end)
        };
        self.newest = self.newest.max(entry.revoked_at);
        self.may_remove |= entry.is_removal;
        let after = place.offset + place.octets;
        self.der.splice(place.offset..after, entry.der.iter().copied());
        let known = usize::from(place.octets > 0);
        self.ends.splice(place.index..place.index + known, [end]);
        self.bounds = Some(match self.bounds {
            None => (entry.serial, entry.serial),
            Some((first, last)) => (first.min(entry.serial), last.max(entry.serial)),
        });
        known == 0
    }

    /// Takes an entry away; whether there was one.
    pub(super) fn remove(&mut self, serial: Serial) -> bool {
        let place = self.place(serial);
        if place.octets == 0 {
            return false;
        }
        self.der.drain(place.offset..place.offset + place.octets);
        self.ends.remove(place.index);
        self.find_bounds();
        true
    }

    /// Takes the entries away whose certificates ended before a time; gives how many.
    pub(super) fn drop_ended(&mut self, before: u32) -> usize {
        let (mut der, mut ends) = (Vec::with_capacity(self.der.len()), Vec::new());
        for (entry, end) in entries(&self.der).zip(&self.ends) {
            if *end >= before {
                der.extend_from_slice(entry);
                ends.push(*end);
            }
        }
        let dropped = self.ends.len() - ends.len();
        self.earliest_end = ends.iter().copied().min().unwrap_or(u32::MAX);
        (self.der, self.ends) = (der, ends);
        self.find_bounds();
        dropped
    }

    /// Gives away the upper half.
    pub(super) fn split(&mut self) -> Self {
        let (mut offset, mut index) = (0, 0);
        for entry in entries(&self.der) {
            if offset >= LIMIT / 2 {
                break;
            }
            offset += entry.len();
            index += 1;
        }
        let mut upper = Self {
            der: self.der.split_off(offset),
            ends: self.ends.split_off(index),
            bounds: None,
            ..*self
        };
        upper.find_bounds();
        self.find_bounds();
        upper
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Its first and its last serial.
    pub(super) fn bounds(&self) -> Option<(Serial, Serial)> {
        self.bounds
    }

    pub(super) fn earliest_end(&self) -> u32 {
        self.earliest_end
    }

    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    pub(super) fn may_remove(&self) -> bool {
        self.may_remove
    }

    fn find_bounds(&mut self) {
        let mut serials = entries(&self.der).filter_map(serial_of);
        let first = serials.next();
        self.bounds = first.map(|first| (first, serials.last().unwrap_or(first)));
    }

    fn place(&self, serial: Serial) -> Place {
        let at = |offset, index, octets| Place {
            offset,
            index,
            octets,
        };
        if self.bounds.is_none_or(|(_, last)| last < serial) {
            return at(self.der.len(), self.ends.len(), 0);
        }
        let (mut offset, mut index, wanted) = (0, 0, serial.as_bytes());
        for entry in entries(&self.der) {
            // Of two positive integers without leading zeros the longer one is greater.
            let order = octets_of(entry).map(|other| other.len().cmp(&wanted.len()).then(other.cmp(wanted)));
            match order {
                Some(Ordering::Less) => {}
                Some(Ordering::Equal) => return at(offset, index, entry.len()),
                _ => break,
            }
            offset += entry.len();
            index += 1;
        }
        at(offset, index, 0)
    }
}

/// The entries of a run, whole. Each is a SEQUENCE of fewer than 128 octets: at most 20 of a serial, a time, two
/// extensions.
fn entries(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (entry, behind) = rest.split_at_checked(2 + usize::from(*rest.get(1)?))?;
        rest = behind;
        Some(entry)
    })
}

/// The octets of the serial of an entry, which is the first element inside it; without the zero that keeps it positive.
fn octets_of(entry: &[u8]) -> Option<&[u8]> {
    let (length, rest) = entry.get(3..)?.split_first()?;
    let octets = rest.get(..usize::from(*length))?;
    Some(octets.strip_prefix(&[0]).unwrap_or(octets))
}

fn serial_of(entry: &[u8]) -> Option<Serial> {
    Serial::from_unsigned(octets_of(entry)?).ok()
}
