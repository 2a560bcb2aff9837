//! A log that is begun anew, after a loss that cannot be made good: a database that was restored to an earlier time, or one that
//! somebody tampered with.
//!
//! What was signed is not contradicted: the new log has a key and a name of its own, its first leaves are all entries there are, and
//! one of them says who began it, why, and where the log before had got. Auditors take the new key only with that explanation.

use std::path::PathBuf;

use serde_json::json;
use store::Tx;

use super::{ACCEPTED, AuditLog, LOG};
use crate::audit;
use crate::authority::Authority;
use crate::error::{Error, Result};
use crate::permit::{self, Permit, action};
use crate::principal::Principal;

/// Lets the store forget which log it is, so that the next server makes another one; gives what the log before was, for the entry
/// that says so.
pub(crate) fn forget(tx: &Tx<'_>) -> store::Result<serde_json::Value> {
    let before = AuditLog::read(tx).ok().flatten();
    let last = store::audit_tree::last_checkpoint(tx)?;
    store::audit_tree::clear(tx)?;
    tx.execute("DELETE FROM settings WHERE key = ?1", &[LOG.into()])?;
    Ok(json!({
        "key_before": before.map(|log| log.key.to_string()), "entries_signed_before": last.map(|checkpoint| checkpoint.size),
    }))
}

impl Authority {
    /// Begins the log anew. The files of the log before are moved beside their folder; on other servers of the same store that is
    /// for somebody to do by hand, so that no database alone can bring them to forget what they saw.
    pub async fn begin_audit_log_anew(&self, principal: &Principal, reason: &str) -> Result<()> {
        let permit: Permit<action::BeginAuditLogAnew> = permit::to_begin_audit_log_anew(principal)?;
        if reason.trim().is_empty() {
            let message = "say why: the reason stands in the log for auditors";
            return Err(crate::error::Refusal::of_requester("reason_missing", message).into());
        }
        let _one_at_a_time = self.inner().audit.tended.lock().await;
        let state = &self.inner().audit;
        let seen = *state.seen.lock();
        let before = self.inner().store.read(|reader| {
            let log = AuditLog::read(reader).ok().flatten();
            Ok((log, store::audit::last(reader)?))
        });
        let (log, last) = before.await?;
        let details = json!({
            "reason": reason,
            "key_before": log.map(|log| log.key.to_string()),
            "checkpoint_before": seen.map(|head| json!({ "size": head.size(), "root": head.root().to_base64() })),
            "entries": last,
        });
        let at = self.inner().clock.now();
        let entry = audit::entry(
            at,
            permit.actor(),
            "audit.begin_anew",
            "audit log",
            audit::OK,
            &details,
        );
        let moved = self.set_files_aside()?;
        let changed = self.change(entry, move |tx| {
            forget(tx)?;
            store::settings::put(tx, ACCEPTED, &last.to_string())
        });
        if let Err(error) = changed.await {
            if let Some((folder, aside)) = moved {
                // They go on reminding this server of what it has seen.
                let _ = std::fs::rename(aside, folder);
            }
            return Err(error);
        }
        state.log.store(None);
        *state.seen.lock() = None;
        state.conclude(None);
        Ok(())
    }

    /// Moves the files of the log before out of the way; gives from where and to where.
    fn set_files_aside(&self) -> Result<Option<(PathBuf, PathBuf)>> {
        let Some(folder) = self
            .inner()
            .settings
            .audit_folder
            .as_deref()
            .filter(|folder| folder.exists())
        else {
            return Ok(None);
        };
        let mut aside = folder.as_os_str().to_owned();
        aside.push(format!(".until-{}", self.inner().clock.now().as_second()));
        std::fs::rename(folder, &aside).map_err(|error| {
            let message = format!("the files of the log before cannot be moved aside: {error}");
            Error::conflict("audit_files", message)
        })?;
        Ok(Some((folder.to_owned(), aside.into())))
    }
}
