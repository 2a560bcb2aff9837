//! Small single values: the clock's high-water mark, the head of the audit log.

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};

/// The value of a key.
pub fn find(reader: &Reader<'_>, key: &str) -> Result<Option<String>> {
    if let Some(value) = reader.kept(key) {
        return Ok(Some(value));
    }
    reader.first(
        "SELECT value FROM settings WHERE key = ?1",
        &[key.into()],
        |row| row.text(0),
    )
}

/// Sets a key.
pub fn put(tx: &Tx<'_>, key: &str, value: &str) -> Result<()> {
    write(tx, key, value)?;
    tx.keep(key, value.to_owned(), true);
    Ok(())
}

/// Sets a key that the jobs of a transaction set again and again: what the last of them leaves is written before the commit.
pub(crate) fn put_at_the_end(tx: &Tx<'_>, key: &str, value: String) {
    tx.keep(key, value, false);
}

/// Writes what was to be set at the end.
pub(crate) fn finish(tx: &Tx<'_>) -> Result<()> {
    tx.write_kept(|key, value| write(tx, key, value))
}

fn write(tx: &Tx<'_>, key: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[key.into(), value.into()]).map(|_| ())
}

/// The value of a key that holds a number.
pub fn number(reader: &Reader<'_>, key: &str) -> Result<Option<i64>> {
    let Some(text) = find(reader, key)? else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| Error::Corrupt(format!("the setting {key} is not a number")))
}

/// Raises a high-water mark to `value`, never lowers it; gives what it is then.
pub fn raise(tx: &Tx<'_>, key: &str, value: i64) -> Result<i64> {
    match number(tx, key)? {
        Some(mark) if mark >= value => Ok(mark),
        _ => {
            put_at_the_end(tx, key, value.to_string());
            Ok(value)
        }
    }
}
