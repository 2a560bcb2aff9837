//! What may be used a single time over all servers: nonces, identifiers of proofs, bootstrap secrets.

use crate::db::{Reader, Tx};
use crate::error::Result;

/// Uses something up, which is known by a digest under a purpose: true the first time, for one caller over all servers, and false
/// after that. It is remembered until it expires (epoch milliseconds): by then it must be worth nothing for another reason.
///
/// It counts when the transaction is committed, and not when the job fails with which it came.
pub fn use_once(tx: &Tx<'_>, purpose: &str, digest: &[u8; 32], expires_at: i64) -> Result<bool> {
    let sql = "INSERT INTO used_once (purpose, digest, expires_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (purpose, digest) DO NOTHING";
    let values = [purpose.into(), digest.as_slice().into(), expires_at.into()];
    Ok(tx.execute(sql, &values)? > 0)
}

/// Whether something was used, without using it.
pub fn is_used(reader: &Reader<'_>, purpose: &str, digest: &[u8; 32]) -> Result<bool> {
    let sql = "SELECT 1 FROM used_once WHERE purpose = ?1 AND digest = ?2";
    let values = [purpose.into(), digest.as_slice().into()];
    Ok(reader.first(sql, &values, |row| row.int(0))?.is_some())
}

/// Forgets what expired before a time (epoch milliseconds), at most so many; how many. The time lies back by more than the clocks of
/// servers may differ: what is forgotten while another server still takes it could be used again.
pub fn trim(tx: &Tx<'_>, before: i64, most: u32) -> Result<usize> {
    let sql = "DELETE FROM used_once WHERE (purpose, digest) IN (SELECT purpose, digest FROM used_once
        WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    tx.execute(sql, &[before.into(), i64::from(most).into()])
}
