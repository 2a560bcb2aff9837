//! The entries of a list, kept in DER and in order while certificates are revoked and released.
//!
//! Bounded segments in a sorted list: a change rewrites one segment, and a list is built from all of them as they are.
//! Segments are shared: a clone is the list as it stood, costs a pointer a segment, and is not disturbed by later changes.

use std::sync::Arc;

use jiff::Timestamp;

use super::EncodedEntry;
use super::segment::{LIMIT, Segment};
use crate::lint::Linted;
use crate::serial::Serial;

/// Linted entries in rising order of serial, each serial once.
#[derive(Clone, Debug, Default)]
pub struct SortedEntries {
    segments: Vec<Arc<Segment>>,
    octets: usize,
    count: usize,
}

/// What the lint of a list looks at in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) first: Serial,
    pub(crate) last: Serial,
    /// Nothing in it was revoked later; seconds since 1970.
    pub(crate) newest: i64,
    pub(crate) may_remove: bool,
}

impl SortedEntries {
    /// Puts an entry in the place of the one with its serial, or in its order. `end` is the end of the certificate.
    pub fn put(&mut self, entry: &Linted<EncodedEntry>, end: Timestamp) {
        let (entry, end) = (entry.value(), seconds(end));
        let index = self.index_of(entry.serial);
        // What comes in order fills one segment after the other.
        let is_full = |segment: &Arc<Segment>| segment.der().len() + entry.der.len() > LIMIT;
        let index = match self.segments.get(index) {
            Some(_) => index,
            None if self.segments.last().is_none_or(is_full) => {
                self.segments.push(Arc::default());
                index
            }
            None => index.saturating_sub(1),
        };
        let Some(segment) = self.segments.get_mut(index) else {
            return;
        };
        let segment = Arc::make_mut(segment);
        let before = segment.der().len();
        self.count += usize::from(segment.put(entry, end));
        self.octets = self.octets + segment.der().len() - before;
        if segment.der().len() > LIMIT {
            let upper = segment.split();
            self.segments.insert(index + 1, Arc::new(upper));
        }
    }

    /// Takes an entry away; whether there was one.
    pub fn remove(&mut self, serial: Serial) -> bool {
        let index = self.index_of(serial);
        let Some(segment) = self.segments.get_mut(index) else {
            return false;
        };
        let segment = Arc::make_mut(segment);
        let before = segment.der().len();
        let was_there = segment.remove(serial);
        self.count -= usize::from(was_there);
        self.octets = self.octets + segment.der().len() - before;
        if segment.len() == 0 {
            self.segments.remove(index);
        }
        was_there
    }

    /// Takes the entries away whose certificates ended before a time; gives how many.
    pub fn drop_ended(&mut self, before: Timestamp) -> usize {
        let before = seconds(before);
        let mut dropped = 0;
        for segment in &mut self.segments {
            if segment.earliest_end() < before {
                let octets = segment.der().len();
                dropped += Arc::make_mut(segment).drop_ended(before);
                self.octets = self.octets + segment.der().len() - octets;
            }
        }
        self.segments.retain(|segment| segment.len() > 0);
        self.count -= dropped;
        dropped
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many octets they have in DER.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Their DER, a segment at a time.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().map(|segment| segment.der())
    }

    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> {
        self.segments.iter().filter_map(|segment| {
            let (first, last) = segment.bounds()?;
            Some(Extent {
                first,
                last,
                newest: segment.newest(),
                may_remove: segment.may_remove(),
            })
        })
    }

    /// The first segment that does not end before a serial.
    fn index_of(&self, serial: Serial) -> usize {
        self.segments
            .partition_point(|segment| segment.bounds().is_some_and(|(_, last)| last < serial))
    }
}

/// Seconds since 1970; what lies beyond 2106 counts as having no end.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
