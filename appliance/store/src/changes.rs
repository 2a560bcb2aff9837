//! What servers that share a store tell each other: each transaction leaves a row that says what of it has to be known elsewhere.
//!
//! The nouns tell it themselves, so that nothing is forgotten. Rows count up without gaps in the order of the transactions; whoever
//! was away reads on after the last one it knows, and one that comes too late for that finds a gap. In a store that one server
//! has to itself nothing is written.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};

/// What others have to know.
// stored: as JSON in changes.body, for as long as a server may be away
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A certificate was issued.
    Issued {
        /// By whom.
        issuer: Uuid,
        /// Its serial, in hexadecimal.
        serial: String,
    },
    /// A revocation was made or changed, or a hold released.
    Revocation {
        /// Whose.
        issuer: Uuid,
        /// Of which serial, in hexadecimal.
        serial: String,
        /// The number of the change in its shard.
        number: i64,
    },
    /// A list of a shard was published.
    Crl {
        /// Whose.
        issuer: Uuid,
        /// Which shard.
        shard: u32,
    },
    /// An issuer was made or changed.
    Issuer {
        /// Which.
        issuer: Uuid,
    },
    /// An OCSP responder was made.
    Responder {
        /// Whose.
        issuer: Uuid,
    },
    /// A profile was changed.
    Profiles,
    /// An API token was made or revoked.
    ApiTokens,
    /// Something that this version of the program does not know.
    #[serde(other)]
    Unknown,
}

/// A change in its place.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Told {
    /// What it is.
    pub change: Change,
    /// The number of the audit entry that it belongs to: of two changes of one thing, the later has the greater one.
    pub audit: i64,
}

/// What one transaction told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Counts up without gaps.
    pub seq: i64,
    /// Which server it was.
    pub node: Uuid,
    /// What it told.
    pub told: Vec<Told>,
}

/// Rows after a number, in their order.
pub fn after(reader: &Reader<'_>, seq: i64, limit: u32) -> Result<Vec<ChangeRow>> {
    let sql = "SELECT seq, node, body FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    reader.all(sql, &[seq.into(), i64::from(limit).into()], |row| {
        let body = row.text(2)?;
        let told = serde_json::from_str(&body);
        Ok(ChangeRow {
            seq: row.int(0)?,
            node: row.uuid(1)?,
            told: told.map_err(|error| Error::Corrupt(format!("a change that was told: {error}")))?,
        })
    })
}

/// The number of the last row; 0 when there is none.
pub fn last(reader: &Reader<'_>) -> Result<i64> {
    let last = reader.first("SELECT coalesce(max(seq), 0) FROM changes", &[], |row| row.int(0))?;
    Ok(last.unwrap_or(0))
}

/// Removes rows told before a time (epoch milliseconds), but never the last, from which the next one counts.
pub fn trim(tx: &Tx<'_>, before: i64) -> Result<usize> {
    let sql = "DELETE FROM changes WHERE at < ?1 AND seq < (SELECT max(seq) FROM changes)";
    tx.execute(sql, &[before.into()])
}
