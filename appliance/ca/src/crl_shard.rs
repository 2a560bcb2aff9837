//! A shard in memory: the revoked certificates of one CRL as they stand now, and the CRL that is published.

use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use parking_lot::Mutex;
use pki::crl::{EncodedEntry, RevokedEntry, SortedEntries};
use pki::{Linted, RevocationReason, Serial};
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
    /// Whether something was revoked or released since the last CRL.
    pub(crate) is_due: AtomicBool,
    /// One CRL at a time.
    pub(crate) publishing: tokio::sync::Mutex<()>,
    revoked: Mutex<Revoked>,
}

#[derive(Debug, Default)]
struct Revoked {
    entries: SortedEntries,
    /// How many changes are in the entries, as the store counts them.
    changes: i64,
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
        self.iter().find(|shard| shard.index == index)
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
    /// It is listed no more.
    Absent(Serial),
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
}

impl CrlShard {
    pub(crate) fn new(index: u32) -> Self {
        Self {
            index,
            ..Self::default()
        }
    }

    /// Takes over what is committed. The caller holds the turn of the serial.
    pub(crate) fn apply(&self, listing: &Listing) {
        let mut revoked = self.revoked.lock();
        revoked.changes += 1;
        match listing {
            Listing::Listed(entry, end) => revoked.entries.put(entry, *end),
            Listing::Absent(serial) => drop(revoked.entries.remove(*serial)),
        }
        self.is_due.store(true, Ordering::SeqCst);
    }

    /// Takes over what was there at the start.
    pub(crate) fn load(&self, listing: &Listing) {
        if let Listing::Listed(entry, end) = listing {
            self.revoked.lock().entries.put(entry, *end);
        }
    }

    /// Says how many changes the store has counted, when everything is loaded.
    pub(crate) fn loaded(&self, changes: i64, is_due: bool) {
        self.revoked.lock().changes = changes;
        self.is_due.store(is_due, Ordering::SeqCst);
    }

    /// The entries as they stand, without those whose certificates ended before `kept_from`; and how many changes are in
    /// them.
    pub(crate) fn snapshot(&self, kept_from: Timestamp) -> (SortedEntries, i64) {
        let mut revoked = self.revoked.lock();
        revoked.entries.drop_ended(kept_from);
        (revoked.entries.clone(), revoked.changes)
    }
}
