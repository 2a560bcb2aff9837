//! What servers that share a store tell each other: each transaction leaves a row that says what of it has to be known elsewhere.
//!
//! The nouns tell it themselves, so that nothing is forgotten. Rows count up without gaps in the order of the transactions; whoever
//! was away reads on after the last one it knows, and one that comes too late for that finds a gap. In a store that one server
//! has to itself nothing is written.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

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

/// A row that was read: by it shows whether what follows is still the history that it was read from. The default stands before the
/// first row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Its number; 0 before the first.
    pub seq: i64,
    node: Uuid,
    at: i64,
}

/// What there is after a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// These rows, in their order, and the mark of the last that was read.
    Rows(Vec<ChangeRow>, Mark),
    /// Rows after it have been removed already: whoever stands there was away for too long.
    Gap,
    /// Its row is gone or another one has its number: the database has lost what was committed, as after a failover to a standby
    /// that lagged.
    Rewritten,
}

/// The mark of the last row.
pub fn mark(reader: &Reader<'_>) -> Result<Mark> {
    let sql = "SELECT seq, node, at FROM changes ORDER BY seq DESC LIMIT 1";
    Ok(reader.first(sql, &[], read_mark)?.unwrap_or_default())
}

/// Rows after a mark. The row of the mark is read with them, and compared.
pub fn onward(reader: &Reader<'_>, mark: &Mark, limit: u32) -> Result<Onward> {
    let sql = "SELECT seq, node, at, body FROM changes WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
    let mut found = reader.all(sql, &[mark.seq.into(), (i64::from(limit) + 1).into()], |row| {
        let seen = read_mark(row)?;
        Ok((seen, (seen.seq > mark.seq).then(|| row.text(3)).transpose()?))
    })?;
    let last = found.last().map_or(*mark, |(seen, _)| *seen);
    match found.first().map(|(seen, _)| *seen) {
        None if mark.seq > 0 => return Ok(Onward::Rewritten),
        Some(first) if mark.seq > 0 && first.seq == mark.seq && first != *mark => {
            return Ok(Onward::Rewritten);
        }
        // The mark's own row may have been removed when nothing is missing after it.
        Some(first) if first.seq > mark.seq + 1 => return Ok(Onward::Gap),
        _ => {}
    }
    let rows = found.drain(..).filter_map(|(seen, body)| {
        Some(ChangeRow {
            seq: seen.seq,
            node: seen.node,
            told: told_in(&body?),
        })
    });
    Ok(Onward::Rows(rows.collect(), last))
}

/// Rows after a number, in their order.
pub fn after(reader: &Reader<'_>, seq: i64, limit: u32) -> Result<Vec<ChangeRow>> {
    let sql = "SELECT seq, node, at, body FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    reader.all(sql, &[seq.into(), i64::from(limit).into()], |row| {
        Ok(ChangeRow {
            seq: row.int(0)?,
            node: row.uuid(1)?,
            told: told_in(&row.text(3)?),
        })
    })
}

fn read_mark(row: &Row<'_>) -> Result<Mark> {
    Ok(Mark {
        seq: row.int(0)?,
        node: row.uuid(1)?,
        at: row.int(2)?,
    })
}

/// What a row tells. What cannot be read is [`Change::Unknown`], and keeps nothing else from being heard.
fn told_in(body: &str) -> Vec<Told> {
    let unknown = || Told {
        change: Change::Unknown,
        audit: 0,
    };
    let told = serde_json::from_str::<Vec<serde_json::Value>>(body);
    told.map_or_else(
        |_| vec![unknown()],
        |told| {
            told.into_iter()
                .map(|one| serde_json::from_value(one).unwrap_or_else(|_| unknown()))
                .collect()
        },
    )
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
