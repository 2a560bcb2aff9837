//! Policies: what requests must satisfy, as JSON with a revision that counts its changes.

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::settings;
use crate::value::Row;

/// The setting with the last number that was given, which no other policy gets.
const LAST: &str = "policies.last";

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its number.
    pub id: i64,
    /// What its owner calls it; no two have the same.
    pub name: String,
    /// The policy, as JSON.
    pub body: String,
    /// Whether requests are held against it.
    pub is_enabled: bool,
    /// Counts up from 1; set by [`insert`] and [`update`] alone.
    pub revision: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub updated_at: i64,
}

const COLUMNS: &str = "id, name, body, is_enabled, revision, created_at, updated_at";

/// Adds a policy with revision 1; gives its number. A name that is taken is refused with [`crate::Error::Conflict`].
pub fn insert(tx: &Tx<'_>, name: &str, body: &str, is_enabled: bool, at: i64) -> Result<i64> {
    let id = settings::number(tx, LAST)?.unwrap_or(0) + 1;
    let sql = format!("INSERT INTO policies ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)");
    let values = [
        id.into(),
        name.into(),
        body.into(),
        i64::from(is_enabled).into(),
        at.into(),
    ];
    tx.execute(&sql, &values)?;
    settings::put(tx, LAST, &id.to_string())?;
    Ok(id)
}

/// Changes a policy whose revision is still the one in the row; gives the next. [`crate::Error::Absent`] when somebody else was first
/// or it is gone.
pub fn update(tx: &Tx<'_>, policy: &PolicyRow) -> Result<i64> {
    let sql =
        "UPDATE policies SET name = ?3, body = ?4, is_enabled = ?5, updated_at = ?6, revision = revision + 1
        WHERE id = ?1 AND revision = ?2";
    let values = [
        policy.id.into(),
        policy.revision.into(),
        (&policy.name).into(),
        (&policy.body).into(),
        i64::from(policy.is_enabled).into(),
        policy.updated_at.into(),
    ];
    let what = || format!("policy {} with revision {}", policy.id, policy.revision);
    tx.change_one(sql, &values, what)?;
    Ok(policy.revision + 1)
}

/// Removes a policy; whether it was there.
pub fn delete(tx: &Tx<'_>, id: i64) -> Result<bool> {
    Ok(tx.execute("DELETE FROM policies WHERE id = ?1", &[id.into()])? > 0)
}

/// One policy.
pub fn find(reader: &Reader<'_>, id: i64) -> Result<Option<PolicyRow>> {
    let sql = format!("SELECT {COLUMNS} FROM policies WHERE id = ?1");
    reader.first(&sql, &[id.into()], read)
}

/// All policies by number.
pub fn all(reader: &Reader<'_>) -> Result<Vec<PolicyRow>> {
    reader.all(&format!("SELECT {COLUMNS} FROM policies ORDER BY id"), &[], read)
}

fn read(row: &Row<'_>) -> Result<PolicyRow> {
    Ok(PolicyRow {
        id: row.int(0)?,
        name: row.text(1)?,
        body: row.text(2)?,
        is_enabled: row.bool(3)?,
        revision: row.int(4)?,
        created_at: row.int(5)?,
        updated_at: row.int(6)?,
    })
}
