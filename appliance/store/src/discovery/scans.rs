//! Scans: what a page says is noted, and what a complete one no longer says is forgotten.

use std::fmt::Write as _;

use uuid::Uuid;

use super::{CLAIMED, DiscoveredRow, NEW};
use crate::certificates;
use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::{Row, Value};

/// Scans of a courier that are remembered.
const KEPT_SCANS: i64 = 30;

const KNOWN: &str = "SELECT id FROM discovered_certificates WHERE fingerprint = ?1";

/// What a scan looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files that were read.
    pub files: i64,
    /// Files and folders that could not be.
    pub unreadable: i64,
    /// Files that were left out.
    pub skipped: i64,
}

/// A scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRow {
    /// Its identifier here.
    pub id: Uuid,
    /// Whose it is.
    pub courier_id: Uuid,
    /// The name of that courier.
    pub courier_name: String,
    /// Epoch milliseconds.
    pub begun_at: i64,
    /// Epoch milliseconds; nothing while pages are missing.
    pub finished_at: Option<i64>,
    /// How many certificates were noted.
    pub certificates: i64,
    /// What was looked at; nothing while pages are missing.
    pub counts: Option<Counts>,
}

/// Which scans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanFilter {
    /// Of this courier.
    pub courier_id: Option<Uuid>,
    /// After this one.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

/// A certificate of a page, and where it lies: path, whether the courier put it there, whether others may read its key.
pub type Found = (DiscoveredRow, Vec<(String, bool, bool)>);

/// Notes a page of a scan that began, as far as is known, with this row. Which certificates were not noted, by their place in the page:
/// the courier has `most` places already. The same page twice is the same as once.
pub fn note_page(
    tx: &Tx<'_>,
    own_id: Uuid,
    courier_id: Uuid,
    scan: Uuid,
    page: &[Found],
    most: i64,
    at: i64,
) -> Result<Vec<usize>> {
    let sql = "INSERT INTO discovery_scans (id, courier_id, scan, begun_at, certificates) VALUES (?1, ?2, ?3, ?4, 0)
        ON CONFLICT (courier_id, scan) DO NOTHING";
    tx.execute(sql, &[own_id.into(), courier_id.into(), scan.into(), at.into()])?;
    let sql = "SELECT count(*) FROM discovered_places WHERE courier_id = ?1";
    let count = tx.first(sql, &[courier_id.into()], |row| row.int(0))?;
    let mut room = most - count.unwrap_or(0);
    let mut refused = Vec::new();
    for (number, (found, places)) in page.iter().enumerate() {
        let wanted = i64::try_from(places.len()).unwrap_or(i64::MAX);
        if wanted > room {
            refused.push(number);
            continue;
        }
        let id = note(tx, found, at)?;
        for place in places {
            room -= i64::from(note_place(tx, courier_id, id, scan, place, at)?);
        }
    }
    let sql = "UPDATE discovery_scans SET certificates =
        (SELECT count(DISTINCT discovered_id) FROM discovered_places WHERE courier_id = ?1 AND scan = ?2)
        WHERE courier_id = ?1 AND scan = ?2";
    tx.execute(sql, &[courier_id.into(), scan.into()])?;
    Ok(refused)
}

/// A scan is complete: what it did not find is forgotten, and so are scans of long ago.
pub fn finish(tx: &Tx<'_>, courier_id: Uuid, scan: Uuid, counts: &Counts, at: i64) -> Result<()> {
    let sql = "UPDATE discovery_scans SET finished_at = ?3, files = ?4, unreadable = ?5, skipped = ?6
        WHERE courier_id = ?1 AND scan = ?2";
    let values = [
        courier_id.into(),
        scan.into(),
        at.into(),
        counts.files.into(),
        counts.unreadable.into(),
        counts.skipped.into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "SELECT DISTINCT discovered_id FROM discovered_places WHERE courier_id = ?1 AND scan <> ?2";
    let gone = tx.all(sql, &[courier_id.into(), scan.into()], |row| row.uuid(0))?;
    let sql = "DELETE FROM discovered_places WHERE courier_id = ?1 AND scan <> ?2";
    tx.execute(sql, &[courier_id.into(), scan.into()])?;
    for id in gone {
        let sql = "DELETE FROM discovered_certificates WHERE id = ?1 AND status = ?2
            AND NOT EXISTS (SELECT 1 FROM discovered_places p WHERE p.discovered_id = ?1)";
        tx.execute(sql, &[id.into(), NEW.into()])?;
    }
    let sql = "DELETE FROM discovery_scans WHERE courier_id = ?1 AND id NOT IN
        (SELECT id FROM discovery_scans WHERE courier_id = ?1 ORDER BY id DESC LIMIT ?2)";
    tx.execute(sql, &[courier_id.into(), KEPT_SCANS.into()])?;
    Ok(())
}

/// A page of scans, in the order in which they began.
pub fn scans(reader: &Reader<'_>, filter: &ScanFilter) -> Result<Vec<ScanRow>> {
    let conditions = [
        ("s.id > #", filter.after.map(Value::from)),
        ("s.courier_id = #", filter.courier_id.map(Value::from)),
    ];
    let mut sql = "SELECT s.id, s.courier_id, k.name, s.begun_at, s.finished_at, s.certificates, s.files, s.unreadable, s.skipped
        FROM discovery_scans s JOIN couriers k ON k.id = s.courier_id WHERE 1 = 1"
        .to_owned();
    let mut values: Vec<Value<'_>> = Vec::with_capacity(conditions.len() + 1);
    for (text, value) in conditions {
        if let Some(value) = value {
            values.push(value);
            // Writing to a String cannot fail.
            let _ = write!(sql, " AND {}", text.replace('#', &format!("?{}", values.len())));
        }
    }
    values.push(i64::from(filter.limit).into());
    let _ = write!(sql, " ORDER BY s.id LIMIT ?{}", values.len());
    reader.all(&sql, &values, read)
}

/// Notes a certificate; which one it is. One that was issued here is claimed by that.
fn note(tx: &Tx<'_>, found: &DiscoveredRow, at: i64) -> Result<Uuid> {
    let known = tx.first(KNOWN, &[(&found.fingerprint).into()], |row| row.uuid(0))?;
    if let Some(id) = known {
        let sql = "UPDATE discovered_certificates SET last_seen = ?2 WHERE id = ?1";
        tx.execute(sql, &[id.into(), at.into()])?;
        return Ok(id);
    }
    let issued = certificates::with_serial(tx, &found.serial)?;
    let issued = issued.into_iter().find(|row| row.der == found.der);
    let status = if issued.is_some() { CLAIMED } else { NEW };
    let sql = "INSERT INTO discovered_certificates (id, fingerprint, der, subject, issuer, serial, not_before, not_after, names,
        key_algorithm, fault, status, certificate_id, first_seen, last_seen)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14)
        ON CONFLICT (fingerprint) DO NOTHING";
    let values = [
        found.id.into(),
        (&found.fingerprint).into(),
        (&found.der).into(),
        (&found.subject).into(),
        (&found.issuer).into(),
        (&found.serial).into(),
        found.not_before.into(),
        found.not_after.into(),
        (&found.names).into(),
        (&found.key_algorithm).into(),
        found.fault.as_deref().map_or(Value::Null, Value::from),
        status.into(),
        issued.map(|row| row.id).into(),
        at.into(),
    ];
    if tx.execute(sql, &values)? > 0 {
        return Ok(found.id);
    }
    // Another server noted it at the same time.
    let id = tx.first(KNOWN, &[(&found.fingerprint).into()], |row| row.uuid(0))?;
    id.ok_or_else(|| crate::Error::Conflict {
        constraint: "another server forgot it at the same time".to_owned(),
    })
}

/// Notes where it lies; whether that is new.
fn note_place(
    tx: &Tx<'_>,
    courier_id: Uuid,
    id: Uuid,
    scan: Uuid,
    place: &(String, bool, bool),
    at: i64,
) -> Result<bool> {
    let (path, is_managed, is_key_exposed) = place;
    let values = [
        courier_id.into(),
        id.into(),
        path.into(),
        i64::from(*is_managed).into(),
        i64::from(*is_key_exposed).into(),
        at.into(),
        scan.into(),
    ];
    let sql = "UPDATE discovered_places SET is_managed = ?4, is_key_exposed = ?5, last_seen = ?6, scan = ?7
        WHERE courier_id = ?1 AND discovered_id = ?2 AND path = ?3";
    if tx.execute(sql, &values)? > 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO discovered_places (courier_id, discovered_id, path, is_managed, is_key_exposed, first_seen, last_seen, scan)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)";
    tx.execute(sql, &values)?;
    Ok(true)
}

fn read(row: &Row<'_>) -> Result<ScanRow> {
    let counts = match (row.opt_int(6)?, row.opt_int(7)?, row.opt_int(8)?) {
        (Some(files), Some(unreadable), Some(skipped)) => Some(Counts {
            files,
            unreadable,
            skipped,
        }),
        _ => None,
    };
    Ok(ScanRow {
        id: row.uuid(0)?,
        courier_id: row.uuid(1)?,
        courier_name: row.text(2)?,
        begun_at: row.int(3)?,
        finished_at: row.opt_int(4)?,
        certificates: row.int(5)?,
        counts,
    })
}
