//! The whole log at once: every entry, every tile and every checkpoint of the store, and what somebody brought along.

use std::collections::BTreeMap;

use jiff::Timestamp;
use store::audit::{self, LoggedEntry};
use store::audit_tree;
use store::{Finding, Reader};
use tlog::{Growth, Hash, Tile, TilePath, TreeHead};

use super::leaf::leaf_hash;
use super::look;
use super::offline::Expected;
use super::{AuditAlarm, AuditLog, Trouble, signed, unsigned};
use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::Result;
use crate::permit;
use crate::principal::Principal;

/// The tree as it was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditTree {
    /// Its verifier key.
    pub key: String,
    /// Entries under the last checkpoint; 0 when there is none.
    pub size: i64,
    /// The root there, in base64 as notes have it.
    pub root: String,
    /// When that was signed, epoch milliseconds.
    at: i64,
    /// The checkpoint, a signed note.
    pub note: String,
}

impl AuditTree {
    /// When the last checkpoint was signed; nothing before the first.
    pub fn signed_at(&self) -> Option<Timestamp> {
        (self.at > 0).then(|| from_millis(self.at))
    }
}

/// How a look at all of it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuditTreeVerdict {
    /// There is no key yet, so nothing was signed.
    Absent,
    /// All is as it was signed.
    Sound(AuditTree),
    /// Not so.
    Broken(AuditAlarm),
}

/// Entries read at a time.
const PAGE: u32 = 4096;

impl Authority {
    /// Looks at the whole tree.
    pub async fn audit_tree(&self, principal: &Principal) -> Result<AuditTreeVerdict> {
        permit::check_reads_audit(principal)?;
        let read = self
            .inner()
            .store
            .read(|reader| examine_audit_tree(reader, &Expected::default()));
        Ok(read.await?)
    }
}

/// Looks at all entries, tiles and checkpoints of a store, and whether they agree with a key and checkpoints from elsewhere.
pub fn examine_audit_tree(reader: &Reader<'_>, expected: &Expected) -> store::Result<AuditTreeVerdict> {
    match examine(reader, expected) {
        Ok(None) => Ok(AuditTreeVerdict::Absent),
        Ok(Some(tree)) => Ok(AuditTreeVerdict::Sound(tree)),
        Err(Trouble::Alarm(alarm)) => Ok(AuditTreeVerdict::Broken(alarm)),
        Err(Trouble::Store(error)) => Err(error),
    }
}

/// The same beside the checks of the store itself.
pub fn check_audit_tree(reader: &Reader<'_>) -> store::Result<Finding> {
    let problem = match examine_audit_tree(reader, &Expected::default())? {
        AuditTreeVerdict::Broken(alarm) => Some(format!(
            "{alarm}; `chancery audit verify --offline` says more, and docs/audit.md what to do"
        )),
        AuditTreeVerdict::Sound(_) | AuditTreeVerdict::Absent => None,
    };
    Ok(Finding {
        what: "the audit log is what was signed",
        problem,
    })
}

fn examine(reader: &Reader<'_>, expected: &Expected) -> std::result::Result<Option<AuditTree>, Trouble> {
    let Some(log) = AuditLog::read(reader)? else {
        return match &expected.key {
            None => Ok(None),
            Some(_) => Err(AuditAlarm::general("the store has no log").into()),
        };
    };
    if let Some(key) = expected.key.as_ref().filter(|key| **key != log.key) {
        let what = format!(
            "the store's checkpoints are signed by another key: {}, not {key}",
            log.key
        );
        return Err(AuditAlarm::general(what).into());
    }
    let rows = audit_tree::checkpoints(reader)?;
    let mut heads = Vec::with_capacity(rows.len());
    for row in &rows {
        heads.push(look::signed_head(&log, row)?);
    }
    let last = heads.last().copied().unwrap_or_else(TreeHead::empty);
    heads.extend(expected.old_heads(&log.key).map_err(AuditAlarm::general)?);
    heads.sort_by_key(TreeHead::size);
    if let Some(missing) = heads.iter().find(|head| head.size() > last.size()) {
        let what = format!(
            "a checkpoint of {} entries was signed and is gone",
            missing.size()
        );
        return Err(AuditAlarm::at(signed(last.size()) + 1, what).into());
    }
    rebuild(reader, &last, &heads)?;
    let row = rows.last();
    Ok(Some(AuditTree {
        key: log.key.to_string(),
        size: signed(last.size()),
        root: last.root().to_base64(),
        at: row.map_or(0, |row| row.at),
        note: row.map(|row| row.note.clone()).unwrap_or_default(),
    }))
}

/// Makes the tree anew of the entries, and compares it with every head and tile.
fn rebuild(reader: &Reader<'_>, last: &TreeHead, heads: &[TreeHead]) -> std::result::Result<(), Trouble> {
    let mut replay = Replay::new(heads);
    let mut done = 0;
    while done < last.size() {
        let most = u32::try_from(last.size() - done).map_or(PAGE, |left| left.min(PAGE));
        let entries = audit::after(reader, signed(done), most)?;
        for (seq, logged) in (signed(done) + 1..).zip(&entries) {
            if logged.seq != seq {
                return Err(AuditAlarm::at(seq, "it is missing").into());
            }
            take(reader, &mut replay, last, logged)?;
        }
        done += unsigned(i64::try_from(entries.len()).unwrap_or(i64::MAX));
        if entries.is_empty() {
            return Err(AuditAlarm::at(signed(done) + 1, "it and those after it were cut off").into());
        }
        let is_end = done >= last.size();
        for (tile, octets) in replay.tiles(is_end) {
            let kept = audit_tree::tile(reader, tile.level(), signed(tile.index()))?;
            if kept.as_ref() != Some(&octets) {
                let what = format!("the tile {} is not that of the entries", TilePath::Hashes(tile));
                return Err(AuditAlarm::general(what).into());
            }
        }
    }
    Ok(())
}

fn take(
    reader: &Reader<'_>,
    replay: &mut Replay<'_>,
    last: &TreeHead,
    logged: &LoggedEntry,
) -> std::result::Result<(), Trouble> {
    let Err(size) = replay.push(leaf_hash(logged)) else {
        return Ok(());
    };
    // Which of them it was, the tiles say, if they are those that were signed.
    for index in 0..last.size().div_ceil(u64::from(tlog::TILE_WIDTH)) {
        if let Err(Trouble::Alarm(alarm @ AuditAlarm { seq: Some(_), .. })) =
            look::bundle(reader, last, index)
        {
            return Err(alarm.into());
        }
    }
    let what = format!("the entries are not those of the checkpoint of {size}");
    Err(AuditAlarm::general(what).into())
}

/// A tree that is made anew, held against heads that were signed.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    growth: Growth,
    heads: &'a [TreeHead],
    /// Tiles that are not full yet.
    open: BTreeMap<(u8, u64), (Tile, Vec<u8>)>,
}

impl<'a> Replay<'a> {
    /// Against these heads, in the order of their sizes.
    pub(super) fn new(heads: &'a [TreeHead]) -> Self {
        let without_leaves = heads.iter().take_while(|head| head.size() == 0).count();
        Self {
            growth: Growth::new(),
            heads: heads.get(without_leaves..).unwrap_or_default(),
            open: BTreeMap::new(),
        }
    }

    /// Takes the next leaf; gives the size of a head that is not that of the tree.
    pub(super) fn push(&mut self, leaf: Hash) -> std::result::Result<(), u64> {
        let size = self.growth.head().size();
        self.growth.push(leaf).map_err(|_| size)?;
        while let Some((head, rest)) = self.heads.split_first()
            && head.size() == size + 1
        {
            if *head != self.growth.head() {
                return Err(head.size());
            }
            self.heads = rest;
        }
        Ok(())
    }

    /// The tiles that are full, and at the end the others, too.
    pub(super) fn tiles(&mut self, is_end: bool) -> Vec<(Tile, Vec<u8>)> {
        let mut full = Vec::new();
        for (tile, octets) in self.growth.take_tiles() {
            let place = (tile.level(), tile.index());
            if tile.is_full() {
                self.open.remove(&place);
                full.push((tile, octets));
            } else {
                self.open.insert(place, (tile, octets));
            }
        }
        if is_end {
            full.extend(std::mem::take(&mut self.open).into_values());
        }
        full
    }
}
