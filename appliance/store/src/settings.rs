//! Small single values: the clock's high-water mark, the head of the audit log.

use crate::db::{Reader, Tx};
use crate::error::Result;

/// The value of a key.
pub fn find(reader: &Reader<'_>, key: &str) -> Result<Option<String>> {
    reader.first("SELECT value FROM settings WHERE key = ?1", &[key.into()], |row| row.text(0))
}

/// Sets a key.
pub fn put(tx: &Tx<'_>, key: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[key.into(), value.into()]).map(|_| ())
}
