//! Delegated OCSP responders: a certificate and a key for each issuer, with overlap while they change.

use std::collections::HashSet;

use uuid::Uuid;

use crate::changes::Change;
use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One responder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderRow {
    /// Its certificate's identifier.
    pub certificate_id: Uuid,
    /// The issuer it answers for.
    pub issuer_id: Uuid,
    /// Its key.
    pub key_fingerprint: Vec<u8>,
    /// Its certificate.
    pub certificate: Vec<u8>,
    /// Epoch milliseconds.
    pub not_before: i64,
    /// Epoch milliseconds.
    pub not_after: i64,
}

/// Adds a responder and removes those of the issuer that ended before `now`.
pub fn insert(tx: &Tx<'_>, responder: &ResponderRow, now: i64) -> Result<()> {
    let sql = "INSERT INTO responders (certificate_id, issuer_id, key_fingerprint, certificate, not_before, not_after)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = [
        responder.certificate_id.into(),
        responder.issuer_id.into(),
        (&responder.key_fingerprint).into(),
        (&responder.certificate).into(),
        responder.not_before.into(),
        responder.not_after.into(),
    ];
    tx.execute_later(sql, &values)?;
    tx.tell(Change::Responder {
        issuer: responder.issuer_id,
    });
    let sql = "DELETE FROM responders WHERE issuer_id = ?1 AND not_after < ?2";
    tx.execute(sql, &[responder.issuer_id.into(), now.into()])
        .map(|_| ())
}

/// All responders; of one issuer the last to end comes last.
pub fn all(reader: &Reader<'_>) -> Result<Vec<ResponderRow>> {
    let sql = "SELECT certificate_id, issuer_id, key_fingerprint, certificate, not_before, not_after FROM responders
        ORDER BY not_after";
    reader.all(sql, &[], read)
}

/// The keys of responders whose certificates are revoked, each with its issuer.
pub fn keys_of_revoked(reader: &Reader<'_>) -> Result<HashSet<(Uuid, Vec<u8>)>> {
    let sql = "SELECT responders.issuer_id, key_fingerprint FROM responders
        JOIN certificates ON certificates.id = certificate_id WHERE revoked_at IS NOT NULL";
    let keys = reader.all(sql, &[], |row| Ok((row.uuid(0)?, row.blob(1)?)))?;
    Ok(keys.into_iter().collect())
}

/// Whether the certificate of a responder of this issuer with this key is revoked.
pub fn is_key_of_revoked(reader: &Reader<'_>, issuer_id: Uuid, key_fingerprint: &[u8]) -> Result<bool> {
    let sql = "SELECT 1 FROM responders JOIN certificates ON certificates.id = certificate_id
        WHERE responders.issuer_id = ?1 AND key_fingerprint = ?2 AND revoked_at IS NOT NULL LIMIT 1";
    let values = [issuer_id.into(), key_fingerprint.into()];
    Ok(reader.first(sql, &values, |_| Ok(()))?.is_some())
}

fn read(row: &Row<'_>) -> Result<ResponderRow> {
    Ok(ResponderRow {
        certificate_id: row.uuid(0)?,
        issuer_id: row.uuid(1)?,
        key_fingerprint: row.blob(2)?,
        certificate: row.blob(3)?,
        not_before: row.int(4)?,
        not_after: row.int(5)?,
    })
}
