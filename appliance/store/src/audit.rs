//! The audit log: append-only, each entry hashed together with the one before it.
//!
//! An entry is written in the transaction of the change it tells of. The hash of the last entry is kept apart, so that a log
//! cut at its end is noticed as long as that record stands; triggers refuse plain updates and deletions.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};
use crate::settings;
use crate::value::Row;

const HEAD: &str = "audit.head";

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

/// Appends an entry and gives its number.
pub fn append(tx: &Tx<'_>, entry: &AuditEntry) -> Result<i64> {
    let (last, previous) = head(tx)?;
    let seq = last + 1;
    let hash = chained(&previous, seq, entry);
    let sql = "INSERT INTO audit (seq, at, actor, action, object, outcome, details, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
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
    tx.execute(sql, &values)?;
    settings::put(tx, HEAD, &format!("{seq} {}", hex(&hash)))?;
    Ok(seq)
}

/// Entries after a number, oldest first.
pub fn after(reader: &Reader<'_>, seq: i64, limit: u32) -> Result<Vec<LoggedEntry>> {
    let sql = "SELECT seq, at, actor, action, object, outcome, details, hash FROM audit WHERE seq > ?1
        ORDER BY seq LIMIT ?2";
    reader.all(sql, &[seq.into(), i64::from(limit).into()], read)
}

/// The number of the last entry; 0 when there is none.
pub fn last(reader: &Reader<'_>) -> Result<i64> {
    Ok(head(reader)?.0)
}

/// Checks the whole log in one pass.
pub fn verify(reader: &Reader<'_>) -> Result<Verdict> {
    let mut previous = Vec::new();
    let mut entries = 0;
    let mut broken = None;
    let sql = "SELECT seq, at, actor, action, object, outcome, details, hash FROM audit ORDER BY seq";
    reader.for_each(sql, &[], |row| {
        if broken.is_some() {
            return Ok(());
        }
        let logged = read(row)?;
        if logged.seq != entries + 1 {
            broken = Some((entries + 1, "the entry is missing"));
        } else if logged.hash != chained(&previous, logged.seq, &logged.entry) {
            broken = Some((logged.seq, "the entry or its hash was changed"));
        }
        entries = logged.seq;
        previous = logged.hash;
        Ok(())
    })?;
    if let Some((seq, what)) = broken {
        return Ok(Verdict::Broken { seq, what });
    }
    let (recorded, head) = head(reader)?;
    if recorded != entries || head != previous {
        return Ok(Verdict::Broken { seq: entries + 1, what: "the log was cut at its end, or its head was changed" });
    }
    Ok(Verdict::Sound { entries, head })
}

/// The number and hash of the last entry.
fn head(reader: &Reader<'_>) -> Result<(i64, Vec<u8>)> {
    let Some(text) = settings::find(reader, HEAD)? else { return Ok((0, Vec::new())) };
    let corrupt = || Error::Corrupt("the head of the audit log".to_owned());
    let (seq, hash) = text.split_once(' ').ok_or_else(corrupt)?;
    let octets = hash.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).map_err(|_| corrupt())?;
        u8::from_str_radix(pair, 16).map_err(|_| corrupt())
    });
    Ok((seq.parse().map_err(|_| corrupt())?, octets.collect::<Result<_>>()?))
}

/// SHA-256 over the previous hash and the fields, each with its length before it, so that no two entries share their octets.
fn chained(previous: &[u8], seq: i64, entry: &AuditEntry) -> Vec<u8> {
    let mut octets = Vec::with_capacity(256);
    let mut field = |bytes: &[u8]| {
        octets.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        octets.extend_from_slice(bytes);
    };
    field(previous);
    field(&seq.to_be_bytes());
    field(&entry.at.to_be_bytes());
    for text in [&entry.actor, &entry.action, &entry.object, &entry.outcome, &entry.details] {
        field(text.as_bytes());
    }
    digest(&SHA256, &octets).as_ref().to_vec()
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
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

impl LoggedEntry {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.entry.at).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
