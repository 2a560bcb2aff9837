//! The audit log as a Merkle log: its entries are the leaves, its heads are signed by a key in the token.
//!
//! Nothing of it happens where certificates are made. An entry is written with its change (`store::audit`); a duty that one server
//! at a time has takes new entries into the tree and has a checkpoint signed (`sign.rs`). Before that it looks whether the tree
//! still is the one that was signed last, and whether the entries still are its leaves (`look.rs`); when not, nothing is signed, and
//! the health of every server says which entry it is. Each server writes the log out as files besides (`files.rs`), whose
//! checkpoint also reminds it of what was signed when somebody changes the database. Witnesses put their signatures under a checkpoint
//! when they have answered (`cosign.rs`); nothing waits for them.

mod anew;
mod cosign;
mod examine;
mod export;
mod files;
mod leaf;
mod look;
mod offline;
mod prove;
mod sign;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use parking_lot::Mutex;
use pki::{KeyFingerprint, PublicKey};
use serde::{Deserialize, Serialize};
use store::{Reader, Tx};
use tlog::{Checkpoint, KeyName, Note, NoteKey, SignatureKind, TreeHead};

use crate::audit::hexadecimal;
use crate::witness::Witness;

pub(crate) use anew::forget;
pub use cosign::AuditWitnessRequest;
pub(crate) use cosign::WitnessStates;
pub use examine::{AuditTree, AuditTreeVerdict, check_audit_tree, examine_audit_tree};
pub(crate) use export::ExportStates;
pub use export::{AuditExportPage, AuditLine};
pub use offline::{Expected, FilesVerdict, OfflineFault, verify_audit_files, verify_audit_proof};
pub use prove::AuditProof;

/// The setting that says which log it is.
const LOG: &str = "audit.log";
/// The setting with the number of the last entry whose hash chain is not looked at any more.
const ACCEPTED: &str = "audit.accepted";

/// Somebody changed what is only appended to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct AuditAlarm {
    /// The entry it is about, where one can be named.
    pub seq: Option<i64>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for AuditAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "entry {seq}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl AuditAlarm {
    fn at(seq: i64, what: impl Into<String>) -> Self {
        Self {
            seq: Some(seq),
            what: what.into(),
        }
    }

    fn general(what: impl Into<String>) -> Self {
        Self {
            seq: None,
            what: what.into(),
        }
    }
}

/// Why a look at the log gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It was tampered with.
    #[error(transparent)]
    Alarm(#[from] AuditAlarm),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A log: its name and the key that signs its checkpoints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AuditLog {
    pub(crate) fingerprint: KeyFingerprint,
    pub(crate) key: NoteKey,
}

// stored: the setting `audit.log`
#[derive(Debug, Deserialize, Serialize)]
struct StoredLog {
    origin: String,
    /// Fingerprint, hexadecimal.
    key: String,
}

/// The key that signs the checkpoints of a store's audit log; none before the first server has made it.
pub fn audit_log_key(reader: &Reader<'_>) -> store::Result<Option<KeyFingerprint>> {
    Ok(AuditLog::read(reader)?.map(|log| log.fingerprint))
}

impl AuditLog {
    /// A log by the name of its origin and its key.
    pub(crate) fn new(origin: &str, key: PublicKey) -> Result<Self, String> {
        let name = KeyName::new(origin).map_err(|fault| fault.to_string())?;
        Ok(Self {
            fingerprint: key.fingerprint(),
            key: NoteKey::new(name, SignatureKind::Ecdsa, key).map_err(|fault| fault.to_string())?,
        })
    }

    /// The one that a store holds; none before the first server has made its key.
    pub(crate) fn read(reader: &Reader<'_>) -> store::Result<Option<Self>> {
        let Some(text) = store::settings::find(reader, LOG)? else {
            return Ok(None);
        };
        let corrupt = |what: String| store::Error::Corrupt(format!("the audit log's key: {what}"));
        let stored: StoredLog = serde_json::from_str(&text).map_err(|error| corrupt(error.to_string()))?;
        let keys = store::keys::all(reader)?;
        let key = keys
            .iter()
            .find(|key| hexadecimal(&key.fingerprint) == stored.key)
            .ok_or_else(|| corrupt("it is not among the keys".to_owned()))?;
        let key = PublicKey::from_spki_der(&key.spki).map_err(|fault| corrupt(fault.to_string()))?;
        Self::new(&stored.origin, key).map(Some).map_err(corrupt)
    }

    /// Records that it is the log of this store.
    pub(crate) fn put(&self, tx: &Tx<'_>) -> store::Result<()> {
        let stored = StoredLog {
            origin: self.origin().to_owned(),
            key: hexadecimal(&self.fingerprint.0),
        };
        let text =
            serde_json::to_string(&stored).map_err(|error| store::Error::Internal(error.to_string()))?;
        store::settings::put(tx, LOG, &text)
    }

    pub(crate) fn origin(&self) -> &str {
        self.key.name().as_str()
    }

    /// The head that a note speaks of, when this log has signed it.
    pub(crate) fn head_of(&self, note: &Note) -> Result<TreeHead, String> {
        let keys = [self.key.clone()];
        let verified = note.verify(&keys).map_err(|fault| fault.to_string())?;
        let checkpoint = Checkpoint::parse(verified.text()).map_err(|fault| fault.to_string())?;
        if checkpoint.origin() == self.origin() {
            Ok(checkpoint.head())
        } else {
            Err(format!("it is of the log {}", checkpoint.origin()))
        }
    }

    /// The same for the text of a note.
    pub(crate) fn head_of_text(&self, note: &str) -> Result<TreeHead, String> {
        let note = Note::parse(note.as_bytes()).map_err(|fault| fault.to_string())?;
        self.head_of(&note)
    }
}

/// Why entries wait for a checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) since: Timestamp,
    pub(crate) why: String,
    /// Entries under the checkpoint that another server has the duty to follow up.
    behind: Option<i64>,
}

/// What a server knows of the log beside what the store says.
#[derive(Debug, Default)]
pub(crate) struct AuditState {
    pub(crate) log: ArcSwapOption<AuditLog>,
    /// The last head that this server saw signed.
    pub(crate) seen: Mutex<Option<TreeHead>>,
    /// Whether its files had a checkpoint, found at the start or written since.
    pub(crate) has_files: AtomicBool,
    pub(crate) alarm: Mutex<Option<AuditAlarm>>,
    /// Why the files could not be written.
    pub(crate) files_fault: Mutex<Option<String>>,
    /// What entries wait for that have no checkpoint.
    pub(crate) waiting: Mutex<Option<Waiting>>,
    /// Entries under the last checkpoint.
    pub(crate) size: AtomicI64,
    /// When it was signed, epoch milliseconds.
    pub(crate) signed_at: AtomicI64,
    /// The bundle of entries that is looked at next.
    pub(crate) bundle: AtomicU64,
    /// When the log was looked after; one at a time.
    pub(crate) tended: tokio::sync::Mutex<Option<Instant>>,
    pub(crate) exports: ExportStates,
    /// Those that cosign this log.
    pub(crate) witnesses: WitnessStates,
    /// What makes this server a witness of other logs.
    pub(crate) witness: ArcSwapOption<Witness>,
}

/// Alarms and faults that were told, to be told once.
impl AuditState {
    /// Takes note of how a look ended; says it in the log when that is news.
    pub(crate) fn conclude(&self, alarm: Option<AuditAlarm>) {
        let mut known = self.alarm.lock();
        match &alarm {
            Some(alarm) if known.as_ref() != Some(alarm) => {
                tracing::error!(%alarm, "the audit log was tampered with: no checkpoint is signed");
            }
            None if known.is_some() => tracing::info!("the audit log is as it was signed again"),
            _ => {}
        }
        *known = alarm;
    }

    pub(crate) fn log(&self) -> Option<Arc<AuditLog>> {
        self.log.load_full()
    }
}

/// Lags by name, for the metrics.
pub(crate) type Lags = BTreeMap<String, i64>;

/// A number of the store as one of the tree. What is negative means nothing there.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number of the tree as one of the store, which never holds as many rows.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn the_oldest_setting_is_read() {
        let stored: StoredLog =
            serde_json::from_str(r#"{"origin":"pki.example/audit/1","key":"00ff"}"#).unwrap();
        assert_eq!(
            (stored.origin.as_str(), stored.key.as_str()),
            ("pki.example/audit/1", "00ff")
        );
    }
}
