//! Intents: what is about to be signed, recorded before the signer sees it.
//!
//! An intent goes when its certificate is recorded. One that is left after a crash is an orphan: something may have been
//! signed under its serial.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};
use crate::value::Row;

/// One intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// Who will sign.
    pub issuer_id: Uuid,
    /// The serial.
    pub serial: Vec<u8>,
    /// The order it serves.
    pub order_id: Uuid,
    /// SHA-256 of the TBS bytes.
    pub tbs_hash: Vec<u8>,
    /// The end of the certificate's validity, epoch milliseconds.
    pub not_after: i64,
    /// Epoch milliseconds.
    pub at: i64,
}

const COLUMNS: &str = "issuer_id, serial, order_id, tbs_hash, not_after, at";

/// Records an intent. A serial that the issuer has ever used is refused with [`Error::Conflict`]: it must never be signed
/// a second time (RFC 5280 §4.1.2.2).
pub fn insert(tx: &Tx<'_>, intent: &IntentRow) -> Result<()> {
    let sql = format!(
        "INSERT INTO intents ({COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6
        WHERE NOT EXISTS (SELECT 1 FROM certificates WHERE issuer_id = ?1 AND serial = ?2)
        AND NOT EXISTS (SELECT 1 FROM revocations WHERE issuer_id = ?1 AND serial = ?2)"
    );
    let values = [
        intent.issuer_id.into(),
        (&intent.serial).into(),
        intent.order_id.into(),
        (&intent.tbs_hash).into(),
        intent.not_after.into(),
        intent.at.into(),
    ];
    match tx.execute(&sql, &values)? {
        0 => Err(Error::Conflict {
            constraint: "the issuer has used this serial before".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Removes an intent: its certificate is recorded, or its serial is revoked.
pub fn remove(tx: &Tx<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<bool> {
    Ok(tx.execute(
        "DELETE FROM intents WHERE issuer_id = ?1 AND serial = ?2",
        &[issuer_id.into(), serial.into()],
    )? > 0)
}

/// All intents, oldest first. At start, before anything is signed, every one of them is an orphan.
pub fn all(reader: &Reader<'_>) -> Result<Vec<IntentRow>> {
    reader.all(&format!("SELECT {COLUMNS} FROM intents ORDER BY at"), &[], read)
}

/// Intents recorded before a time, all of them orphans when nothing is being signed.
pub fn before(reader: &Reader<'_>, at: i64) -> Result<Vec<IntentRow>> {
    reader.all(
        &format!("SELECT {COLUMNS} FROM intents WHERE at < ?1 ORDER BY at"),
        &[at.into()],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<IntentRow> {
    Ok(IntentRow {
        issuer_id: row.uuid(0)?,
        serial: row.blob(1)?,
        order_id: row.uuid(2)?,
        tbs_hash: row.blob(3)?,
        not_after: row.int(4)?,
        at: row.int(5)?,
    })
}
