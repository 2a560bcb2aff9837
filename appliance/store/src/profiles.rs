//! Profiles, as JSON bodies with a version that counts their changes.

use crate::changes::Change;
use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// Its name.
    pub name: String,
    /// Counts up from 1.
    pub version: i64,
    /// The profile, as JSON.
    pub body: String,
    /// Epoch milliseconds.
    pub updated_at: i64,
}

/// Adds a profile or replaces its body; gives the new version.
pub fn put(tx: &Tx<'_>, name: &str, body: &str, at: i64) -> Result<i64> {
    let sql = "INSERT INTO profiles (name, version, body, updated_at) VALUES (?1, 1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET version = profiles.version + 1, body = excluded.body, updated_at = excluded.updated_at";
    tx.execute_later(sql, &[name.into(), body.into(), at.into()])?;
    tx.tell(Change::Profiles);
    let version = tx.first(
        "SELECT version FROM profiles WHERE name = ?1",
        &[name.into()],
        |row| row.int(0),
    )?;
    Ok(version.unwrap_or(1))
}

/// Removes a profile; whether it was there.
pub fn delete(tx: &Tx<'_>, name: &str) -> Result<bool> {
    tx.tell(Change::Profiles);
    Ok(tx.execute("DELETE FROM profiles WHERE name = ?1", &[name.into()])? > 0)
}

/// One profile.
pub fn find(reader: &Reader<'_>, name: &str) -> Result<Option<ProfileRow>> {
    reader.first(
        "SELECT name, version, body, updated_at FROM profiles WHERE name = ?1",
        &[name.into()],
        read,
    )
}

/// All profiles by name.
pub fn all(reader: &Reader<'_>) -> Result<Vec<ProfileRow>> {
    reader.all(
        "SELECT name, version, body, updated_at FROM profiles ORDER BY name",
        &[],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<ProfileRow> {
    Ok(ProfileRow {
        name: row.text(0)?,
        version: row.int(1)?,
        body: row.text(2)?,
        updated_at: row.int(3)?,
    })
}
