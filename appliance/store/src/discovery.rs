//! Certificates that were found: what they are, on which hosts they lie and where, and what operators made of them.
//!
//! A scan is told page by page. What a courier no longer finds is forgotten when its scan is complete, so that a scan that broke off
//! loses nothing.

mod scans;

pub use scans::{Counts, Found, ScanFilter, ScanRow, finish, note_page, scans};

use std::fmt::Write as _;

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::{Row, Value};

/// Nobody has looked at it yet.
pub const NEW: &str = "new";
/// It is one that is known: issued here, or taken charge of by an operator.
pub const CLAIMED: &str = "claimed";
/// An operator said that it does not matter.
pub const DISMISSED: &str = "dismissed";

/// A certificate that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredRow {
    /// Its identifier.
    pub id: Uuid,
    /// SHA-256 of it.
    pub fingerprint: Vec<u8>,
    /// The certificate.
    pub der: Vec<u8>,
    /// Its subject, as text.
    pub subject: String,
    /// Its issuer, as text.
    pub issuer: String,
    /// Its serial.
    pub serial: Vec<u8>,
    /// Epoch milliseconds.
    pub not_before: i64,
    /// Epoch milliseconds.
    pub not_after: i64,
    /// Its names, as JSON.
    pub names: String,
    /// The kind of its key.
    pub key_algorithm: String,
    /// Why nothing here would take it.
    pub fault: Option<String>,
    /// [`NEW`], [`CLAIMED`] or [`DISMISSED`].
    pub status: String,
    /// Which certificate of this appliance it is, or belongs to.
    pub certificate_id: Option<Uuid>,
    /// Epoch milliseconds.
    pub first_seen: i64,
    /// Epoch milliseconds.
    pub last_seen: i64,
}

/// Where one lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceRow {
    /// The courier of the host.
    pub courier_id: Uuid,
    /// The name of that courier.
    pub courier_name: String,
    /// The file.
    pub path: String,
    /// Whether the courier put it there.
    pub is_managed: bool,
    /// Whether others may read the key.
    pub is_key_exposed: bool,
    /// Epoch milliseconds.
    pub first_seen: i64,
    /// Epoch milliseconds.
    pub last_seen: i64,
}

/// Which certificates. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// With this status.
    pub status: Option<String>,
    /// On the host of this courier.
    pub courier_id: Option<Uuid>,
    /// Ending before this time, epoch milliseconds.
    pub expires_before: Option<i64>,
    /// With a key that others may read somewhere.
    pub is_key_exposed: bool,
    /// After this one.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

const COLUMNS: &str = "id, fingerprint, der, subject, issuer, serial, not_before, not_after, names, key_algorithm, fault, status, \
    certificate_id, first_seen, last_seen";

/// By identifier.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<DiscoveredRow>> {
    let sql = format!("SELECT {COLUMNS} FROM discovered_certificates WHERE id = ?1");
    reader.first(&sql, &[id.into()], read)
}

/// A page of them, in the order in which they were found first.
pub fn list(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<DiscoveredRow>> {
    let conditions = [
        ("d.id > #", filter.after.map(Value::from)),
        ("d.status = #", filter.status.as_ref().map(Value::from)),
        ("d.not_after < #", filter.expires_before.map(Value::from)),
        (
            "EXISTS (SELECT 1 FROM discovered_places p WHERE p.discovered_id = d.id AND p.courier_id = #)",
            filter.courier_id.map(Value::from),
        ),
        (
            "EXISTS (SELECT 1 FROM discovered_places p WHERE p.discovered_id = d.id AND p.is_key_exposed = #)",
            filter.is_key_exposed.then_some(Value::Int(1)),
        ),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM discovered_certificates d WHERE 1 = 1");
    let mut values: Vec<Value<'_>> = Vec::with_capacity(conditions.len() + 1);
    for (text, value) in conditions {
        if let Some(value) = value {
            values.push(value);
            // Writing to a String cannot fail.
            let _ = write!(sql, " AND {}", text.replace('#', &format!("?{}", values.len())));
        }
    }
    values.push(i64::from(filter.limit).into());
    let _ = write!(sql, " ORDER BY d.id LIMIT ?{}", values.len());
    reader.all(&sql, &values, read)
}

/// Where one lies, at most so many places.
pub fn places(reader: &Reader<'_>, id: Uuid, most: u32) -> Result<Vec<PlaceRow>> {
    let sql = "SELECT p.courier_id, k.name, p.path, p.is_managed, p.is_key_exposed, p.first_seen, p.last_seen
        FROM discovered_places p JOIN couriers k ON k.id = p.courier_id
        WHERE p.discovered_id = ?1 ORDER BY k.name, p.path LIMIT ?2";
    reader.all(sql, &[id.into(), i64::from(most).into()], |row| {
        Ok(PlaceRow {
            courier_id: row.uuid(0)?,
            courier_name: row.text(1)?,
            path: row.text(2)?,
            is_managed: row.bool(3)?,
            is_key_exposed: row.bool(4)?,
            first_seen: row.int(5)?,
            last_seen: row.int(6)?,
        })
    })
}

/// In how many places one lies.
pub fn count_places(reader: &Reader<'_>, id: Uuid) -> Result<i64> {
    let sql = "SELECT count(*) FROM discovered_places WHERE discovered_id = ?1";
    Ok(reader.first(sql, &[id.into()], |row| row.int(0))?.unwrap_or(0))
}

/// How many have a status.
pub fn count(reader: &Reader<'_>, status: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM discovered_certificates WHERE status = ?1";
    Ok(reader
        .first(sql, &[status.into()], |row| row.int(0))?
        .unwrap_or(0))
}

/// How many lie beside a key that others may read.
pub fn count_exposed(reader: &Reader<'_>) -> Result<i64> {
    let sql = "SELECT count(DISTINCT discovered_id) FROM discovered_places WHERE is_key_exposed = 1";
    Ok(reader.first(sql, &[], |row| row.int(0))?.unwrap_or(0))
}

/// Says what one is. One that is not there is refused with [`crate::Error::Absent`].
pub fn set_status(tx: &Tx<'_>, id: Uuid, status: &str, certificate_id: Option<Uuid>) -> Result<()> {
    let sql = "UPDATE discovered_certificates SET status = ?2, certificate_id = ?3 WHERE id = ?1";
    let values = [id.into(), status.into(), certificate_id.into()];
    tx.change_one(sql, &values, || format!("discovered certificate {id}"))?;
    Ok(())
}

/// Forgets those that lie nowhere any more and that nobody decided about, at most so many; how many.
pub fn trim(tx: &Tx<'_>, most: u32) -> Result<usize> {
    let sql = "DELETE FROM discovered_certificates WHERE id IN (SELECT d.id FROM discovered_certificates d
        WHERE d.status = ?1 AND NOT EXISTS (SELECT 1 FROM discovered_places p WHERE p.discovered_id = d.id) LIMIT ?2)";
    tx.execute(sql, &[NEW.into(), i64::from(most).into()])
}

fn read(row: &Row<'_>) -> Result<DiscoveredRow> {
    Ok(DiscoveredRow {
        id: row.uuid(0)?,
        fingerprint: row.blob(1)?,
        der: row.blob(2)?,
        subject: row.text(3)?,
        issuer: row.text(4)?,
        serial: row.blob(5)?,
        not_before: row.int(6)?,
        not_after: row.int(7)?,
        names: row.text(8)?,
        key_algorithm: row.text(9)?,
        fault: row.opt_text(10)?,
        status: row.text(11)?,
        certificate_id: row.opt_uuid(12)?,
        first_seen: row.int(13)?,
        last_seen: row.int(14)?,
    })
}
