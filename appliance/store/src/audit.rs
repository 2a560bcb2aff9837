//! The audit log: append-only, each entry hashed together with the one before it.
//!
//! An entry is written in the transaction of the change it tells of. Its hash is SHA-256 over these fields, each with its
//! length before it as 8 octets, big-endian: `chancery audit 1`; the hash of the entry before (empty for the first); `seq` and
//! `at` as 8 octets each, big-endian; actor, action, object, outcome and details in UTF-8.
//!
//! The chain gives each transaction a head for the price of one hash. What an auditor checks is the Merkle tree over the entries
//! (`audit_tree.rs`), whose heads are signed.
//!
//! Triggers refuse updates, deletions and insertions anywhere but at the end. Who can drop triggers can rewrite, and then the
//! chain shows where; who cuts the end off is found by the head, which is kept apart. Who rewrites every hash to the end and
//! the head too is found by the signed tree, or by a head noted elsewhere: [`Verdict::Sound`] carries what to note.

use std::ops::ControlFlow;

use aws_lc_rs::digest::{SHA256, digest};

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};
use crate::settings;
use crate::value::{Row, Value};

pub(crate) const HEAD: &str = "audit.head";
const SCHEME: &[u8] = b"chancery audit 1";

/// What is to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Epoch milliseconds.
    pub at: i64,
    /// Who did it.
    pub actor: String,
    /// What was done, for example `certificate.issue`.
    pub action: String,
    /// To what: an identifier or name.
    pub object: String,
    /// `ok`, or the code of a refusal.
    pub outcome: String,
    /// More of it, as JSON without secrets.
    pub details: String,
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEntry {
    /// Counts up from 1 without gaps.
    pub seq: i64,
    /// The entry.
    pub entry: AuditEntry,
    /// SHA-256 over the previous hash and this entry.
    pub hash: Vec<u8>,
}

/// How a check of the log ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Every entry hangs on the one before it, and the last is the recorded head.
    Sound {
        /// How many there are.
        entries: i64,
        /// The hash of the last.
        head: Vec<u8>,
    },
    /// The log was changed.
    Broken {
        /// The first entry that is not right.
        seq: i64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Which entries are wanted; all where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those after this number.
    pub after: i64,
    /// Those before this number, and then the last of them in place of the first.
    pub before: Option<i64>,
    /// Those about this object alone.
    pub object: Option<String>,
    /// Those of this action alone.
    pub action: Option<String>,
}

const COLUMNS: &str = "seq, at, actor, action, object, outcome, details, hash";

/// Appends an entry and gives its number. A log whose end was tampered with takes no more entries, so that nothing changes
/// unlogged: [`Error::Corrupt`].
pub fn append(tx: &Tx<'_>, entry: &AuditEntry) -> Result<i64> {
    let (last, previous) =
        head(tx)?.ok_or_else(|| Error::Corrupt("the head of the audit log is missing".to_owned()))?;
    let seq = last + 1;
    let hash = chained(&previous, seq, entry);
    let values = [
        seq.into(),
        entry.at.into(),
        (&entry.actor).into(),
        (&entry.action).into(),
        (&entry.object).into(),
        (&entry.outcome).into(),
        (&entry.details).into(),
        (&hash).into(),
    ];
    tx.append(
        &format!("audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
        &values,
        |error| match error {
            Error::Conflict { .. } => {
                Error::Corrupt("the audit log does not end where its head says".to_owned())
            }
            other => other,
        },
    )?;
    settings::put_at_the_end(tx, HEAD, format!("{seq} {}", hex(&hash)));
    tx.stamp(seq);
    Ok(seq)
}

/// Entries after a number, oldest first.
pub fn after(reader: &Reader<'_>, seq: i64, limit: u32) -> Result<Vec<LoggedEntry>> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    reader.all(&sql, &[seq.into(), i64::from(limit).into()], read)
}

/// Entries that were chosen, oldest first. Objects and actions have no index, which every entry would pay for: what is chosen by them is
/// looked for among all.
pub fn select(reader: &Reader<'_>, wanted: &Selection, limit: u32) -> Result<Vec<LoggedEntry>> {
    let mut sql = format!("SELECT {COLUMNS} FROM audit WHERE seq > ?1 AND seq < ?2");
    let mut values = vec![
        wanted.after.into(),
        wanted.before.unwrap_or(i64::MAX).into(),
        i64::from(limit).into(),
    ];
    for (column, text) in [("object", &wanted.object), ("action", &wanted.action)] {
        if let Some(text) = text {
            values.push(text.into());
            sql = format!("{sql} AND {column} = ?{}", values.len());
        }
    }
    let order = if wanted.before.is_some() { "DESC" } else { "ASC" };
    let sql = format!("{sql} ORDER BY seq {order} LIMIT ?3");
    let mut entries = reader.all(&sql, &values, read)?;
    if wanted.before.is_some() {
        entries.reverse();
    }
    Ok(entries)
}

/// The number of the first entry about an object.
pub fn first_about(reader: &Reader<'_>, object: &str) -> Result<Option<i64>> {
    let sql = "SELECT min(seq) FROM audit WHERE object = ?1";
    let found = reader.first(sql, &[object.into()], |row| row.opt_int(0))?;
    Ok(found.flatten())
}

/// The number of the first entry of something that somebody did.
pub fn first_done_by(reader: &Reader<'_>, actor: &str) -> Result<Option<i64>> {
    let sql = "SELECT min(seq) FROM audit WHERE actor = ?1 AND outcome = 'ok'";
    let found = reader.first(sql, &[actor.into()], |row| row.opt_int(0))?;
    Ok(found.flatten())
}

/// The number of the last entry; 0 when there is none.
pub fn last(reader: &Reader<'_>) -> Result<i64> {
    let last = reader.first("SELECT coalesce(max(seq), 0) FROM audit", &[], |row| row.int(0))?;
    Ok(last.unwrap_or(0))
}

/// Whether an entry hangs on the one whose hash this is; no octets before the first.
pub fn follows(previous: &[u8], logged: &LoggedEntry) -> bool {
    logged.hash == chained(previous, logged.seq, &logged.entry)
}

/// Checks the whole log in one pass, holding one entry at a time.
pub fn verify(reader: &Reader<'_>) -> Result<Verdict> {
    let mut previous = Vec::new();
    let mut entries = 0;
    let mut broken = None;
    reader.for_each_until(&format!("SELECT {COLUMNS} FROM audit ORDER BY seq"), &[], |row| {
        let logged = read(row)?;
        if logged.seq != entries + 1 {
            broken = Some(Verdict::Broken {
                seq: entries + 1,
                what: "the entry is missing",
            });
        } else if logged.hash != chained(&previous, logged.seq, &logged.entry) {
            broken = Some(Verdict::Broken {
                seq: logged.seq,
                what: "the entry, or the one before it, was changed",
            });
        }
        entries = logged.seq;
        previous = logged.hash;
        Ok(if broken.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    if let Some(broken) = broken {
        return Ok(broken);
    }
    let what = match head(reader) {
        Ok(Some((last, hash))) if last == entries && hash == previous => {
            return Ok(Verdict::Sound { entries, head: hash });
        }
        Ok(Some((last, _))) if last > entries => "the entry and those after it were cut off",
        Ok(None) => "the head of the log was removed",
        Ok(Some(_)) | Err(Error::Corrupt(_)) => "the head of the log was changed",
        Err(other) => return Err(other),
    };
    Ok(Verdict::Broken {
        seq: entries + 1,
        what,
    })
}

/// The number and hash of the last entry, as noted apart from it; absent only when somebody removed it.
fn head(reader: &Reader<'_>) -> Result<Option<(i64, Vec<u8>)>> {
    let Some(text) = settings::find(reader, HEAD)? else {
        return Ok(None);
    };
    let corrupt = || Error::Corrupt("the head of the audit log".to_owned());
    let (seq, hash) = text.split_once(' ').ok_or_else(corrupt)?;
    let octets = hash.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).map_err(|_| corrupt())?;
        u8::from_str_radix(pair, 16).map_err(|_| corrupt())
    });
    Ok(Some((
        seq.parse().map_err(|_| corrupt())?,
        octets.collect::<Result<_>>()?,
    )))
}

/// The hash of an entry; see the head of this file for its input. The lengths keep two entries from sharing their octets.
fn chained(previous: &[u8], seq: i64, entry: &AuditEntry) -> Vec<u8> {
    let mut octets = Vec::with_capacity(256);
    let mut field = |bytes: &[u8]| {
        octets.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        octets.extend_from_slice(bytes);
    };
    field(SCHEME);
    field(previous);
    field(&seq.to_be_bytes());
    field(&entry.at.to_be_bytes());
    for text in [
        &entry.actor,
        &entry.action,
        &entry.object,
        &entry.outcome,
        &entry.details,
    ] {
        field(text.as_bytes());
    }
    digest(&SHA256, &octets).as_ref().to_vec()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The entries that a piece of this table has in a backup.
pub fn decode(octets: &[u8]) -> Result<Vec<LoggedEntry>> {
    let corrupt = || Error::Corrupt("rows of audit".to_owned());
    let table = crate::tables::TABLES.iter().find(|table| table.name == "audit");
    let rows = crate::rows::decode(table.ok_or_else(corrupt)?, octets)?;
    let entry = |row: crate::tables::Values| {
        let row: [Value<'static>; 8] = row.try_into().ok()?;
        let [
            Value::Int(seq),
            Value::Int(at),
            Value::Text(actor),
            Value::Text(action),
            Value::Text(object),
            Value::Text(outcome),
            Value::Text(details),
            Value::Blob(hash),
        ] = row
        else {
            return None;
        };
        let entry = AuditEntry {
            at,
            actor: actor.into(),
            action: action.into(),
            object: object.into(),
            outcome: outcome.into(),
            details: details.into(),
        };
        let hash = hash.into();
        Some(LoggedEntry { seq, entry, hash })
    };
    rows.into_iter()
        .map(|row| entry(row).ok_or_else(corrupt))
        .collect()
}

fn read(row: &Row<'_>) -> Result<LoggedEntry> {
    Ok(LoggedEntry {
        seq: row.int(0)?,
        entry: AuditEntry {
            at: row.int(1)?,
            actor: row.text(2)?,
            action: row.text(3)?,
            object: row.text(4)?,
            outcome: row.text(5)?,
            details: row.text(6)?,
        },
        hash: row.blob(7)?,
    })
}
