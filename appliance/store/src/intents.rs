//! Intents: what is about to be signed, recorded before the signer sees it.
//!
//! An intent goes when its certificate is recorded. One that is left after a crash is an orphan: something may have been
//! signed under its serial.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
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

/// Records an intent.
pub fn insert(tx: &Tx<'_>, intent: &IntentRow) -> Result<()> {
    let sql = "INSERT INTO intents (issuer_id, serial, order_id, tbs_hash, not_after, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = [
        intent.issuer_id.into(),
        (&intent.serial).into(),
        intent.order_id.into(),
        (&intent.tbs_hash).into(),
        intent.not_after.into(),
        intent.at.into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

/// Removes an intent: its certificate is recorded, or its serial is revoked.
pub fn remove(tx: &Tx<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<bool> {
    Ok(tx.execute("DELETE FROM intents WHERE issuer_id = ?1 AND serial = ?2", &[issuer_id.into(), serial.into()])? > 0)
}

/// Intents recorded before a time, all of them orphans when nothing is being signed.
pub fn before(reader: &Reader<'_>, at: i64) -> Result<Vec<IntentRow>> {
    let sql = "SELECT issuer_id, serial, order_id, tbs_hash, not_after, at FROM intents WHERE at < ?1";
    reader.all(sql, &[at.into()], read)
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
