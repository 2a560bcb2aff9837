//! Keys the product signs with: where each lives, never the private part.

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fingerprint: Vec<u8>,
    /// The kind of key, as text.
    pub algorithm: String,
    /// SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The token or backend that holds it.
    pub backend: String,
    /// Its label there.
    pub label: String,
    /// Epoch milliseconds.
    pub created_at: i64,
}

const COLUMNS: &str = "fingerprint, algorithm, spki, backend, label, created_at";

/// Adds a key; one that is there already is left as it is.
pub fn insert(tx: &Tx<'_>, key: &KeyRow) -> Result<()> {
    let sql = format!(
        "INSERT INTO keys ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (fingerprint) DO NOTHING"
    );
    let values = [
        (&key.fingerprint).into(),
        (&key.algorithm).into(),
        (&key.spki).into(),
        (&key.backend).into(),
        (&key.label).into(),
        key.created_at.into(),
    ];
    tx.execute(&sql, &values).map(|_| ())
}

/// One key.
pub fn find(reader: &Reader<'_>, fingerprint: &[u8]) -> Result<Option<KeyRow>> {
    reader.first(
        &format!("SELECT {COLUMNS} FROM keys WHERE fingerprint = ?1"),
        &[fingerprint.into()],
        read,
    )
}

/// All keys, oldest first.
pub fn all(reader: &Reader<'_>) -> Result<Vec<KeyRow>> {
    reader.all(
        &format!("SELECT {COLUMNS} FROM keys ORDER BY created_at, fingerprint"),
        &[],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<KeyRow> {
    Ok(KeyRow {
        fingerprint: row.blob(0)?,
        algorithm: row.text(1)?,
        spki: row.blob(2)?,
        backend: row.text(3)?,
        label: row.text(4)?,
        created_at: row.int(5)?,
    })
}
