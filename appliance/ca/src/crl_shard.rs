//! A shard in memory: the revoked certificates of one CRL as they stand now, and the CRL that is published.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use parking_lot::Mutex;
use pki::crl::{EncodedEntry, RevokedEntry, SortedEntries};
use pki::{Linted, RevocationReason, Serial};
use store::crls::ShardState;
use store::revocations::RevocationRow;

use crate::certificates::reason_of;
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::published_crl::PublishedCrl;

/// One CRL of an issuer: what it says and what it will say.
#[derive(Debug, Default)]
pub(crate) struct CrlShard {
    pub(crate) index: u32,
    pub(crate) crl: ArcSwapOption<PublishedCrl>,
    /// What changed since the full list that it stands on.
    pub(crate) delta: ArcSwapOption<PublishedCrl>,
    /// When the full list was made that deltas stand on, epoch milliseconds; 0 when that is not known.
    pub(crate) base_made_at: AtomicI64,
    /// Whether something was revoked or released since the last CRL.
    pub(crate) is_due: AtomicBool,
    /// Whether a list of our own may be recorded that is not published here: the answer to its commit may be lost.
    pub(crate) is_unsure: AtomicBool,
    /// One CRL at a time.
    pub(crate) publishing: tokio::sync::Mutex<()>,
    /// How making it went last, here.
    pub(crate) last_try: Mutex<LastTry>,
    revoked: Mutex<Revoked>,
}

/// How making a list went.
#[derive(Debug, Default)]
pub(crate) enum LastTry {
    /// It was not tried since the start.
    #[default]
    None,
    Made,
    Failed(CrlFault),
}

/// Since when a list cannot be made, and why.
#[derive(Clone, Debug)]
pub(crate) struct CrlFault {
    pub(crate) since: Timestamp,
    pub(crate) why: String,
}

impl LastTry {
    /// Takes note of how it went now; what fails again fails since the first time.
    pub(crate) fn note(&mut self, failed: Option<CrlFault>) {
        *self = match (failed, &*self) {
            (None, _) => Self::Made,
            (Some(fault), Self::Failed(before)) => Self::Failed(CrlFault {
                since: before.since,
                ..fault
            }),
            (Some(fault), _) => Self::Failed(fault),
        };
    }
}

#[derive(Debug, Default)]
struct Revoked {
    entries: SortedEntries,
    /// Changes up to this one are in the entries, as the store counts them.
    changes: i64,
    /// Changes after that which are in the entries, too: those of other servers come later than our own.
    ahead: BTreeSet<i64>,
    /// The greatest of them.
    greatest: i64,
    /// How many there were at the start.
    loaded: i64,
    /// How many are in the published list.
    listed: i64,
    /// The number of the full list that deltas stand on; 0 before the first.
    base: u64,
    /// What changed since then, with the number of the change; empty when there are no deltas.
    since: BTreeMap<Serial, (i64, Listing)>,
}

impl Revoked {
    /// Whether a change is new.
    fn count(&mut self, change: i64) -> bool {
        if change <= self.changes || !self.ahead.insert(change) {
            return false;
        }
        while self.ahead.remove(&(self.changes + 1)) {
            self.changes += 1;
        }
        self.greatest = self.greatest.max(change);
        true
    }

    /// Whether there is a change that the published list does not have.
    fn is_due(&self) -> bool {
        self.greatest > self.listed || self.count_of_changes() > self.listed
    }

    fn count_of_changes(&self) -> i64 {
        self.changes.saturating_add_unsigned(self.ahead.len() as u64)
    }
}

/// A shard as it stood at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) entries: SortedEntries,
    /// How many changes are in the entries.
    pub(crate) changes: i64,
    pub(crate) base: u64,
    /// The entries of a delta that stands on the base.
    pub(crate) delta: SortedEntries,
    /// Serials and numbers of the changes in it.
    pub(crate) within: Vec<(Vec<u8>, i64)>,
}

/// The shards of an issuer, of which there is one at least.
#[derive(Debug)]
pub(crate) struct CrlShards {
    first: CrlShard,
    others: Box<[CrlShard]>,
}

impl CrlShards {
    /// This many, and one at least.
    pub(crate) fn new(count: u32) -> Self {
        Self {
            first: CrlShard::default(),
            others: (1..count).map(CrlShard::new).collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &CrlShard> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&CrlShard> {
        match index.checked_sub(1) {
            None => Some(&self.first),
            Some(other) => self.others.get(usize::try_from(other).ok()?),
        }
    }

    /// The shard of a serial. Serials are random, so their last octets spread them evenly; the rule holds for as long as
    /// the issuer does, and every certificate has the address of its shard in it.
    pub(crate) fn of(&self, serial: &Serial) -> &CrlShard {
        let last = serial.as_bytes().iter().rev().take(4);
        let number = last.fold(0, |number: u32, octet| number.rotate_left(8) ^ u32::from(*octet));
        let count = u32::try_from(self.others.len() + 1).unwrap_or(u32::MAX);
        self.get(number % count).unwrap_or(&self.first)
    }
}

/// How a serial is to stand on the CRL. Made, and linted, before the change is committed: what cannot be listed cannot be
/// revoked.
#[derive(Clone, Debug)]
pub(crate) enum Listing {
    /// It is listed with this entry until its certificate ends.
    Listed(Linted<EncodedEntry>, Timestamp),
    /// It is listed no more; deltas have this entry until the certificate ends.
    Released(Linted<EncodedEntry>, Timestamp),
}

impl Listing {
    pub(crate) fn of(row: &RevocationRow) -> Result<Self> {
        let reason = reason_of(row.reason);
        let entry = RevokedEntry {
            serial: Serial::from_unsigned(&row.serial).map_err(Error::internal)?,
            revoked_at: from_millis(row.revoked_at),
            reason: (reason != RevocationReason::Unspecified).then_some(reason),
            invalidity_date: row.invalidity_date.map(from_millis),
        };
        let linted = pki::lint::crl_entry(&entry)?;
        // What cannot be told has no end.
        let end = Timestamp::from_millisecond(row.not_after).unwrap_or(Timestamp::MAX);
        Ok(Self::Listed(linted, end))
    }

    /// A hold that was released (RFC 5280 §5.2.4, §5.3.1).
    pub(crate) fn released(serial: Serial, at: Timestamp, not_after: i64) -> Result<Self> {
        let entry = RevokedEntry {
            serial,
            revoked_at: at,
            reason: Some(RevocationReason::RemoveFromCrl),
            invalidity_date: None,
        };
        let end = Timestamp::from_millisecond(not_after).unwrap_or(Timestamp::MAX);
        Ok(Self::Released(pki::lint::crl_entry(&entry)?, end))
    }

    pub(crate) fn serial(&self) -> Serial {
        match self {
            Self::Listed(entry, _) | Self::Released(entry, _) => entry.serial(),
        }
    }
}

impl CrlShard {
    pub(crate) fn new(index: u32) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    /// Takes over what is committed, under the number of the change, which is kept for deltas when there are any; one that is in
    /// the entries already counts no more. The caller holds the turn of the serial.
    pub(crate) fn apply(&self, listing: Listing, change: i64, is_kept: bool) {
        let mut revoked = self.revoked.lock();
        if !revoked.count(change) {
            return;
        }
        match &listing {
            Listing::Listed(entry, end) => revoked.entries.put(entry, *end),
            Listing::Released(entry, _) => drop(revoked.entries.remove(entry.serial())),
        }
        let known = revoked
            .since
            .get(&listing.serial())
            .map_or(0, |(known, _)| *known);
        if is_kept && known < change {
            revoked.since.insert(listing.serial(), (change, listing));
        }
        if revoked.is_due() {
            self.is_due.store(true, Ordering::SeqCst);
        }
    }

    /// Counts a change whose serial has changed since, which is in the entries.
    pub(crate) fn pass_over(&self, change: i64) {
        let mut revoked = self.revoked.lock();
        if revoked.count(change) && revoked.is_due() {
            self.is_due.store(true, Ordering::SeqCst);
        }
    }

    /// Whether a change is in the entries that this process has made or heard of since its start.
    pub(crate) fn has(&self, change: i64) -> bool {
        let revoked = self.revoked.lock();
        change > revoked.loaded && (change <= revoked.changes || revoked.ahead.contains(&change))
    }

    /// The number of the full list that deltas stand on.
    pub(crate) fn base(&self) -> u64 {
        self.revoked.lock().base
    }

    /// Takes note of a list that is published: so many changes are in it.
    pub(crate) fn lists(&self, changes: i64) {
        let mut revoked = self.revoked.lock();
        revoked.listed = revoked.listed.max(changes);
        self.is_due.store(revoked.is_due(), Ordering::SeqCst);
    }

    /// How many changes are in the entries, as the store counts them.
    pub(crate) fn changes(&self) -> i64 {
        self.revoked.lock().count_of_changes()
    }

    /// Takes over what was there at the start.
    pub(crate) fn load(&self, listing: &Listing) {
        if let Listing::Listed(entry, end) = listing {
            self.revoked.lock().entries.put(entry, *end);
        }
    }

    /// Takes over a change that was kept for deltas, at the start.
    pub(crate) fn load_change(&self, listing: Listing, change: i64) {
        self.revoked
            .lock()
            .since
            .insert(listing.serial(), (change, listing));
    }

    /// Says where the store stands, when everything is loaded, and how many changes are in the list that is published.
    pub(crate) fn loaded(&self, state: ShardState, listed: Option<i64>) {
        let mut revoked = self.revoked.lock();
        (revoked.changes, revoked.base) = (state.changes, state.base);
        (revoked.greatest, revoked.loaded) = (state.changes, state.changes);
        revoked.listed = listed.unwrap_or(0);
        self.base_made_at.store(state.base_made_at, Ordering::SeqCst);
        // Without a list the first is due by the schedule.
        self.is_due
            .store(listed.is_some() && revoked.is_due(), Ordering::SeqCst);
    }

    /// The entries as they stand, without those whose certificates ended before `kept_from`.
    pub(crate) fn snapshot(&self, kept_from: Timestamp) -> Snapshot {
        let mut revoked = self.revoked.lock();
        revoked.entries.drop_ended(kept_from);
        let mut delta = SortedEntries::default();
        let mut within = Vec::with_capacity(revoked.since.len());
        for (serial, (change, listing)) in &revoked.since {
            let (Listing::Listed(entry, end) | Listing::Released(entry, end)) = listing;
            if *end >= kept_from {
                delta.put(entry, *end);
            }
            within.push((serial.as_bytes().to_vec(), *change));
        }
        Snapshot {
            entries: revoked.entries.clone(),
            changes: revoked.count_of_changes(),
            base: revoked.base,
            delta,
            within,
        }
    }

    /// Whether the list that the deltas stand on is older than the time between two lists.
    pub(crate) fn is_base_old(&self, interval: Duration, now: Timestamp) -> bool {
        let base = self.base_made_at.load(Ordering::SeqCst);
        base == 0
            || from_millis(base)
                .saturating_add(interval)
                .is_ok_and(|due| due <= now)
    }

    /// From here on deltas stand on what the store says; of the changes that it counted then only those are kept that it keeps
    /// (serial and number), and all that came later.
    pub(crate) fn stand_on_stored(&self, state: &ShardState, kept: &HashSet<(Vec<u8>, i64)>) {
        let mut revoked = self.revoked.lock();
        if state.base <= revoked.base {
            return;
        }
        revoked.base = state.base;
        revoked.since.retain(|serial, (change, _)| {
            *change > state.changes || kept.contains(&(serial.as_bytes().to_vec(), *change))
        });
        self.base_made_at.store(state.base_made_at, Ordering::SeqCst);
    }

    /// From here on deltas stand on the list of this number, which has these changes in it.
    pub(crate) fn stand_on(&self, base: u64, within: &[(Vec<u8>, i64)]) {
        let mut revoked = self.revoked.lock();
        revoked.base = base;
        for (serial, change) in within {
            let Ok(serial) = Serial::from_unsigned(serial) else {
                continue;
            };
            if revoked.since.get(&serial).is_some_and(|(last, _)| last == change) {
                revoked.since.remove(&serial);
            }
        }
    }
}

#[cfg(test)]
mod tests;
