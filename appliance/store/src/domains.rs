//! Registered domains: under which names certificates may be asked for.

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRow {
    /// The name that all others are under; no two domains have the same.
    pub apex: String,
    /// Whether certificates may be asked for.
    pub is_enabled: bool,
    /// Labels and the like, as JSON.
    pub record: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub updated_at: i64,
}

const COLUMNS: &str = "apex, is_enabled, record, created_at, updated_at";

/// Adds a domain. One that is there already is refused with [`crate::Error::Conflict`].
pub fn insert(tx: &Tx<'_>, domain: &DomainRow) -> Result<()> {
    let sql = format!("INSERT INTO domains ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)");
    let values = [
        (&domain.apex).into(),
        i64::from(domain.is_enabled).into(),
        (&domain.record).into(),
        domain.created_at.into(),
        domain.updated_at.into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

/// Changes a domain; [`crate::Error::Absent`] when it is not there.
pub fn update(tx: &Tx<'_>, apex: &str, is_enabled: bool, record: &str, at: i64) -> Result<()> {
    let sql = "UPDATE domains SET is_enabled = ?2, record = ?3, updated_at = ?4 WHERE apex = ?1";
    let values = [
        apex.into(),
        i64::from(is_enabled).into(),
        record.into(),
        at.into(),
    ];
    tx.change_one(sql, &values, || format!("domain {apex}"))
}

/// Removes a domain; whether it was there.
pub fn delete(tx: &Tx<'_>, apex: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM domains WHERE apex = ?1", &[apex.into()])? > 0)
}

/// One domain.
pub fn find(reader: &Reader<'_>, apex: &str) -> Result<Option<DomainRow>> {
    let sql = format!("SELECT {COLUMNS} FROM domains WHERE apex = ?1");
    reader.first(&sql, &[apex.into()], read)
}

/// A page of domains by name, after one of them.
pub fn list(reader: &Reader<'_>, after: Option<&str>, limit: u32) -> Result<Vec<DomainRow>> {
    let sql = format!("SELECT {COLUMNS} FROM domains WHERE apex > ?1 ORDER BY apex LIMIT ?2");
    let values = [after.unwrap_or_default().into(), i64::from(limit).into()];
    reader.all(&sql, &values, read)
}

fn read(row: &Row<'_>) -> Result<DomainRow> {
    Ok(DomainRow {
        apex: row.text(0)?,
        is_enabled: row.bool(1)?,
        record: row.text(2)?,
        created_at: row.int(3)?,
        updated_at: row.int(4)?,
    })
}
