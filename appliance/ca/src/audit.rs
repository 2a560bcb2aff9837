//! The audit log, read and checked. It is written by the use cases, in the transaction of each change.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
pub use store::audit::Selection as AuditSelection;
use store::audit::{AuditEntry, Verdict};

use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::Result;
use crate::permit;
use crate::principal::Principal;

/// The outcome of what succeeded.
pub(crate) const OK: &str = "ok";
/// Most entries given at once.
const MOST: u32 = 1000;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// Counts up from 1 without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What, for example `certificate.issue`.
    pub action: String,
    /// To what.
    pub object: String,
    /// `ok`, or the code of a refusal.
    pub outcome: String,
    /// More of it.
    pub details: Value,
    /// SHA-256 over the hash before and this entry, in hexadecimal.
    pub hash: String,
}

/// How a check of the whole log ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuditVerdict {
    /// Every entry hangs on the one before it.
    Sound {
        /// How many there are.
        entries: i64,
        /// The hash of the last, in hexadecimal.
        head: String,
    },
    /// The log was changed.
    Broken {
        /// The first entry that is not right.
        seq: i64,
        /// What is wrong with it.
        what: String,
    },
}

impl Authority {
    /// Entries after a number, oldest first; at most 1000.
    pub async fn audit_tail(
        &self,
        principal: &Principal,
        after: i64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>> {
        let wanted = AuditSelection {
            after,
            ..AuditSelection::default()
        };
        self.audit_select(principal, wanted, limit).await
    }

    /// Entries that were chosen, oldest first; at most 1000.
    pub async fn audit_select(
        &self,
        principal: &Principal,
        wanted: AuditSelection,
        limit: u32,
    ) -> Result<Vec<AuditRecord>> {
        permit::check_reads_audit(principal)?;
        let limit = limit.min(MOST);
        let entries = self
            .inner()
            .store
            .read(move |reader| store::audit::select(reader, &wanted, limit))
            .await?;
        let record = |logged: store::audit::LoggedEntry| AuditRecord {
            seq: logged.seq,
            at: from_millis(logged.entry.at),
            details: serde_json::from_str(&logged.entry.details).unwrap_or_default(),
            actor: logged.entry.actor,
            action: logged.entry.action,
            object: logged.entry.object,
            outcome: logged.entry.outcome,
            hash: hexadecimal(&logged.hash),
        };
        Ok(entries.into_iter().map(record).collect())
    }

    /// The number of the last entry; 0 when there is none.
    pub async fn audit_last(&self, principal: &Principal) -> Result<i64> {
        permit::check_reads_audit(principal)?;
        Ok(self.inner().store.read(store::audit::last).await?)
    }

    /// Checks the hash chain of the whole log.
    pub async fn audit_verify(&self, principal: &Principal) -> Result<AuditVerdict> {
        permit::check_reads_audit(principal)?;
        Ok(match self.inner().store.read(store::audit::verify).await? {
            Verdict::Sound { entries, head } => AuditVerdict::Sound {
                entries,
                head: hexadecimal(&head),
            },
            Verdict::Broken { seq, what } => AuditVerdict::Broken {
                seq,
                what: what.to_string(),
            },
        })
    }
}

/// An entry to be written with a change.
#[expect(
    clippy::needless_pass_by_value,
    reason = "identifiers are copied in, texts are borrowed"
)]
pub(crate) fn entry(
    at: Timestamp,
    actor: &str,
    action: &str,
    object: impl ToString,
    outcome: &str,
    details: &impl Serialize,
) -> AuditEntry {
    AuditEntry {
        at: at.as_millisecond(),
        actor: actor.to_owned(),
        action: action.to_owned(),
        object: object.to_string(),
        outcome: outcome.to_owned(),
        // Nothing that is logged can fail to be written: keys are strings, numbers are finite.
        details: serde_json::to_string(details).unwrap_or_default(),
    }
}

/// Octets as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    octets
        .iter()
        .fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{octet:02x}");
            text
        })
}

/// What [`hexadecimal`] wrote, as octets again; nothing for any other text.
pub(crate) fn octets(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let octets = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let octets: Option<Vec<u8>> = octets.collect();
    octets.filter(|octets| hexadecimal(octets) == text)
}
