//! The audit log, read and checked. It is written by the use cases, in the transaction of each change.

use jiff::Timestamp;
use serde_json::Value;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

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
        todo!()
    }

    /// Checks the hash chain of the whole log.
    pub async fn audit_verify(&self, principal: &Principal) -> Result<AuditVerdict> {
        todo!()
    }
}
