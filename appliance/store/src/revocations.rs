//! Revocations by issuer and serial. Orphans have one without a certificate.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// certificateHold (RFC 5280 §5.3.1): the only revocation that can be taken back.
pub const HOLD: i64 = 6;

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRow {
    /// Who issued the certificate.
    pub issuer_id: Uuid,
    /// Its serial.
    pub serial: Vec<u8>,
    /// Epoch milliseconds.
    pub revoked_at: i64,
    /// The number of the CRLReason; removeFromCRL (8) is no reason to be recorded.
    pub reason: i64,
    /// Epoch milliseconds.
    pub invalidity_date: Option<i64>,
    /// The end of the certificate's validity, epoch milliseconds.
    pub not_after: i64,
    /// Whether no certificate is known for the serial.
    pub is_orphan: bool,
}

const COLUMNS: &str = "issuer_id, serial, revoked_at, reason, invalidity_date, not_after, is_orphan";

/// Records a revocation, or changes the one that is there, and marks the certificate.
pub fn put(tx: &Tx<'_>, revocation: &RevocationRow) -> Result<()> {
    let sql = format!(
        "INSERT INTO revocations ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (issuer_id, serial) DO UPDATE SET revoked_at = excluded.revoked_at, reason = excluded.reason,
            invalidity_date = excluded.invalidity_date"
    );
    let values = [
        revocation.issuer_id.into(),
        (&revocation.serial).into(),
        revocation.revoked_at.into(),
        revocation.reason.into(),
        revocation.invalidity_date.into(),
        revocation.not_after.into(),
        i64::from(revocation.is_orphan).into(),
    ];
    tx.execute(&sql, &values)?;
    let sql = "UPDATE certificates SET revoked_at = ?3, revocation_reason = ?4 WHERE issuer_id = ?1 AND serial = ?2";
    let values = [
        revocation.issuer_id.into(),
        (&revocation.serial).into(),
        revocation.revoked_at.into(),
        revocation.reason.into(),
    ];
    tx.execute(sql, &values).map(|_| ())
}

/// Releases a hold; whether there was one. A revocation for another reason stays.
pub fn remove(tx: &Tx<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<bool> {
    let sql = "DELETE FROM revocations WHERE issuer_id = ?1 AND serial = ?2 AND reason = ?3";
    if tx.execute(sql, &[issuer_id.into(), serial.into(), HOLD.into()])? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE certificates SET revoked_at = NULL, revocation_reason = NULL WHERE issuer_id = ?1 AND serial = ?2";
    tx.execute(sql, &[issuer_id.into(), serial.into()])?;
    Ok(true)
}

/// The revocation of a serial.
pub fn find(reader: &Reader<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<Option<RevocationRow>> {
    let sql = format!("SELECT {COLUMNS} FROM revocations WHERE issuer_id = ?1 AND serial = ?2");
    reader.first(&sql, &[issuer_id.into(), serial.into()], read)
}

/// Calls `each` with every revocation, by issuer and serial in rising order.
pub fn for_each(reader: &Reader<'_>, mut each: impl FnMut(RevocationRow) -> Result<()>) -> Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM revocations ORDER BY issuer_id, serial");
    reader.for_each(&sql, &[], |row| each(read(row)?))
}

/// Calls `each` with the revocations of one issuer whose certificates end at or after a time (epoch milliseconds), by the
/// octets of the serial in rising order: the entries of its CRL, one after the other.
pub fn for_each_of_issuer(
    reader: &Reader<'_>,
    issuer_id: Uuid,
    not_after: i64,
    mut each: impl FnMut(RevocationRow) -> Result<()>,
) -> Result<()> {
    let sql =
        format!("SELECT {COLUMNS} FROM revocations WHERE issuer_id = ?1 AND not_after >= ?2 ORDER BY serial");
    reader.for_each(&sql, &[issuer_id.into(), not_after.into()], |row| {
        each(read(row)?)
    })
}

/// What [`for_each_of_issuer`] gives, all at once.
pub fn of_issuer(reader: &Reader<'_>, issuer_id: Uuid, not_after: i64) -> Result<Vec<RevocationRow>> {
    let mut found = Vec::new();
    for_each_of_issuer(reader, issuer_id, not_after, |revocation| {
        found.push(revocation);
        Ok(())
    })?;
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<RevocationRow> {
    Ok(RevocationRow {
        issuer_id: row.uuid(0)?,
        serial: row.blob(1)?,
        revoked_at: row.int(2)?,
        reason: row.int(3)?,
        invalidity_date: row.opt_int(4)?,
        not_after: row.int(5)?,
        is_orphan: row.bool(6)?,
    })
}
