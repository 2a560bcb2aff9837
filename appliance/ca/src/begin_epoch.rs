//! What follows on a restore: the store is as it was at the backup, and what happened since must not be undone silently.
//!
//! Numbers of CRLs jump ahead of every number that may have been published since; what is kept elsewhere of the older epoch is no
//! longer used. With an export of the audit log, what it tells of the time after the backup is done again: revocations, releases,
//! the end of API tokens; a certificate is taken in again when it is there, and its serial is revoked when it is not. So OCSP says
//! *good* of nothing that is not known.
//!
//! It runs in the transaction that makes a store of what was restored, without an authority and without a signer.

mod export;
mod lost;
mod rows;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use pki::Certificate;
use serde_json::json;
use store::{Reader, Tx};
use uuid::Uuid;

pub use export::{ExportFault, ExportedLog};
use lost::Again;

use crate::audit;
use crate::audit_log::{AuditTreeVerdict, Expected, examine_audit_tree};
use crate::clock::HIGH_WATER;
use crate::permit::{self, Permit, action};
use crate::registry::StoredSettings;

/// Numbers that a shard's lists jump ahead by at least.
const LEAST_JUMP: i64 = 1_000_000;
/// And for each second since the backup: each number is taken in a transaction of its own, before anything is signed under it, and
/// no database makes that many in a second.
const JUMP_A_SECOND: i64 = 10_000;

/// What is told of the lists of CAs whose keys are elsewhere when there is a newer one than in the backup.
const LOST_LISTS: &str = "CRLs of offline CAs: import the newest again";

/// A restore.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Which backup it is of.
    pub backup: String,
    /// When that was made.
    pub taken_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// What the audit log says of the time after the backup, if that is known.
    pub log: Option<ExportedLog>,
    /// Certificates of the time after the backup.
    pub certificates: Vec<Certificate>,
    /// Whether somebody accepts that the audit log of the backup is not what was signed.
    pub accepts_audit_alarm: bool,
}

/// What was done.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct NewEpoch {
    /// Its number.
    pub epoch: i64,
    /// How the audit log of the backup was not what was signed, when somebody accepted that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_alarm: Option<String>,
    /// Entries of the audit log that follow on those of the backup, word for word.
    pub log_continued: u64,
    /// Certificates that were taken in again.
    pub certificates_taken_in: u64,
    /// Serials of certificates that are nowhere: revoked.
    pub serials_revoked: u64,
    /// Revocations that were done again.
    pub revocations: u64,
    /// Holds that were released again.
    pub releases: u64,
    /// API tokens whose end was done again.
    pub tokens_ended: u64,
    /// What else the log tells of and a restore cannot bring back, by its action.
    pub not_brought_back: BTreeMap<String, u64>,
}

/// What stands in the way of an export that is to follow on a store.
pub fn check_export(reader: &Reader<'_>, log: &ExportedLog) -> store::Result<Result<(), ExportFault>> {
    if store::restore::is_settled(reader)? {
        // The epoch began before the restore broke off, by an export that was looked at then. What is given now changes nothing.
        return Ok(Ok(()));
    }
    let last = store::audit::last(reader)?;
    let since = log.first().min(last).saturating_sub(1);
    let end = store::audit::after(reader, since, u32::MAX)?;
    Ok(log.check_against(&end, last))
}

/// Begins the epoch. To be called on what a backup had, once.
pub fn begin_epoch(tx: &Tx<'_>, restored: &Restored) -> store::Result<NewEpoch> {
    let permit: Permit<action::Revoke> = permit::of_duty("restore");
    let mut done = NewEpoch {
        audit_alarm: audit_alarm(tx, restored)?,
        ..NewEpoch::default()
    };
    let mut again = Again::new(tx, restored, permit.actor(), &mut done);
    if let Some(log) = &restored.log {
        again.follow(log)?;
    }
    let seen = again.crl_numbers();
    if let Some(log) = &restored.log
        && let Some(first) = log.skipped_lines().first()
    {
        let what = format!("lines of the export that cannot be read, from line {first} on");
        done.not_brought_back
            .insert(what, log.skipped_lines().len() as u64);
    }
    pass_over_lists(tx, restored, &seen, &mut done)?;
    // Nobody knows what was signed of the log after the backup: what is signed from here on is of another one, with its own key.
    let audit_log = crate::audit_log::forget(tx)?;
    let details = json!({
        "backup": restored.backup, "taken_at": restored.taken_at.to_string(), "with_log": restored.log.is_some(), "did": done,
        "audit_log": audit_log,
    });
    let entry = audit::entry(
        restored.now,
        permit.actor(),
        "store.restore",
        done.epoch,
        audit::OK,
        &details,
    );
    store::settings::raise(tx, HIGH_WATER, entry.at)?;
    store::audit::append(tx, &entry)?;
    Ok(done)
}

/// Begins the epoch with lists that are above every number that there may have been; `seen` are those that the log tells of.
fn pass_over_lists(
    tx: &Tx<'_>,
    restored: &Restored,
    seen: &HashMap<(Uuid, u32), i64>,
    done: &mut NewEpoch,
) -> store::Result<()> {
    let elapsed = restored
        .now
        .as_second()
        .saturating_sub(restored.taken_at.as_second());
    let jump = elapsed
        .max(0)
        .saturating_mul(JUMP_A_SECOND)
        .saturating_add(LEAST_JUMP);
    let mut issuers = Vec::new();
    for issuer in store::issuers::all(tx)? {
        let settings: StoredSettings = serde_json::from_str(&issuer.settings)
            .map_err(|_| store::Error::Corrupt(format!("the settings of the issuer {}", issuer.id)))?;
        let is_elsewhere = settings.offline.is_some_and(|offline| offline.is_elsewhere);
        issuers.push((issuer.id, settings.crl.shards, is_elsewhere));
    }
    let elsewhere = issuers.iter().filter(|(.., is_elsewhere)| *is_elsewhere);
    let elsewhere: Vec<Uuid> = elsewhere.map(|(id, ..)| *id).collect();
    done.epoch = store::epoch::begin(tx, restored.now.as_millisecond(), &elsewhere)?;
    for (id, shards, is_elsewhere) in issuers {
        let seen = |shard| seen.get(&(id, shard)).copied().unwrap_or(0);
        if !is_elsewhere {
            for shard in 0..shards {
                store::epoch::pass_over(tx, id, shard, jump, seen(shard))?;
            }
        } else if crate::offline::note_imported(tx, id, seen(0))? {
            // Its lists are numbered where its key is.
            *done.not_brought_back.entry(LOST_LISTS.to_owned()).or_default() += 1;
        }
    }
    Ok(())
}

/// The new log is of what is there, and signed: somebody who cut the old one must not come to a clean log that way.
fn audit_alarm(reader: &Reader<'_>, restored: &Restored) -> store::Result<Option<String>> {
    match examine_audit_tree(reader, &Expected::default())? {
        AuditTreeVerdict::Broken(alarm) if restored.accepts_audit_alarm => Ok(Some(alarm.to_string())),
        AuditTreeVerdict::Broken(alarm) => Err(store::Error::Rejected(format!(
            "the audit log of the backup is not what was signed ({alarm}): somebody changed the store before it was backed up. Take an \
             older backup, or accept it by --accept-audit-alarm, which the audit log will tell; nothing was changed"
        ))),
        AuditTreeVerdict::Sound(_) | AuditTreeVerdict::Absent => Ok(None),
    }
}
