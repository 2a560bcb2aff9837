//! Which entries of a file are those of the last epoch.
//!
//! A file goes on when the store is restored, and the log of the restored store gives the numbers after the backup once more. So a
//! file may have two entries of one number. Those of the last epoch are those that the last `store.restore` stands among: it, what is
//! behind it in the file, and what it hangs on.

use std::collections::BTreeMap;

use store::audit::follows;

use super::ExportFault;
use super::lines::Found;
use crate::audit::OK;

/// How far the clocks of two servers may be apart, in milliseconds.
const TOLERANCE: i64 = 60_000;

/// One entry of each number, in their order.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) found: Vec<Found>,
    /// The first number that there were two of, and the line of the later one.
    pub(super) two_epochs: Option<(i64, usize)>,
}

/// Chooses them.
pub(super) fn choose(found: Vec<Found>) -> Result<Chosen, ExportFault> {
    // By number; of one number as they stand in the file.
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|place| found.get(*place).map(|one| one.logged.seq));
    let differs = |pair: &&[usize]| match pair {
        [one, next] => match (found.get(*one), found.get(*next)) {
            (Some(one), Some(next)) => one.logged.seq == next.logged.seq && !is_same(one, next),
            _ => false,
        },
        _ => false,
    };
    let first = order
        .windows(2)
        .find(differs)
        .and_then(|pair| found.get(*pair.last()?));
    let two_epochs = first.map(|later| (later.logged.seq, later.line));
    let mut chosen = match two_epochs {
        None => found,
        Some((seq, line)) => last_epoch(found).ok_or(ExportFault::TwoEpochs { seq, line })?,
    };
    chosen.sort_by_key(|one| one.logged.seq);
    chosen.dedup_by_key(|one| one.logged.seq);
    Ok(Chosen {
        found: chosen,
        two_epochs,
    })
}

/// Whether two entries of one number are one entry, also when one of them was written anew.
fn is_same(one: &Found, other: &Found) -> bool {
    let (one, other) = (&one.logged, &other.logged);
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one.hash == other.hash
        && (one.entry == other.entry
            || (one.entry.action == other.entry.action
                && one.entry.object == other.entry.object
                && one.entry.actor == other.entry.actor
                && one.entry.outcome == other.entry.outcome
                && one.entry.at == other.entry.at
                && value(&one.entry.details) == value(&other.entry.details)))
}

/// The entries of the last epoch; nothing where that cannot be told.
fn last_epoch(found: Vec<Found>) -> Option<Vec<Found>> {
    let is_restore =
        |one: &Found| one.logged.entry.action == "store.restore" && one.logged.entry.outcome == OK;
    let restore = found.iter().rfind(|one| is_restore(one))?.clone();
    // Entries may be sent again: it begins where it stands first.
    let is_it = |one: &Found| one.logged.seq == restore.logged.seq && is_same(one, &restore);
    let place = found.iter().position(is_it)?;
    // The file is in another order than the log.
    let is_later = |one: &Found| is_restore(one) && one.logged.entry.at > restore.logged.entry.at;
    if found.iter().any(is_later) {
        return None;
    }
    let mut before: BTreeMap<i64, Vec<(usize, Found)>> = BTreeMap::new();
    let mut chosen: BTreeMap<i64, Found> = BTreeMap::new();
    for (at, one) in found.into_iter().enumerate() {
        if one.logged.seq < restore.logged.seq {
            before.entry(one.logged.seq).or_default().push((at, one));
        } else if at > place && one.logged.seq > restore.logged.seq {
            // What happened before the restore is of an older epoch, and has no business behind it.
            if one.logged.entry.at < restore.logged.entry.at - TOLERANCE {
                return None;
            }
            if chosen
                .get(&one.logged.seq)
                .is_some_and(|known| !is_same(known, &one))
            {
                return None;
            }
            chosen.insert(one.logged.seq, one);
        }
    }
    // What it hangs on; where the hashes show nothing, what stands before it and next to it.
    let (mut next, mut limit) = (restore.clone(), place);
    for (_, candidates) in before.into_iter().rev() {
        let hangs = candidates
            .iter()
            .rposition(|(_, one)| follows(&one.logged.hash, &next.logged));
        let stands = || candidates.iter().rposition(|(at, _)| *at < limit);
        let (at, one) = candidates.get(hangs.or_else(stands)?)?.clone();
        (next, limit) = (one.clone(), at);
        chosen.insert(one.logged.seq, one);
    }
    chosen.insert(restore.logged.seq, restore);
    Some(chosen.into_values().collect())
}
