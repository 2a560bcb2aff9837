//! Keys that were made for couriers, encrypted to them: each is given out once.
//!
//! They are not carried into backups and copies, where what was given out would be there again.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;

/// What becomes of asking for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retrieval {
    /// The ciphertext, which is gone from here.
    Ciphertext(Vec<u8>),
    /// It was given out before, at this time (epoch milliseconds).
    Before(i64),
    /// Its time is over.
    Expired,
    /// There is none of this order.
    Unknown,
}

/// Keeps the key of an order until it expires (epoch milliseconds).
pub fn insert(tx: &Tx<'_>, order_id: Uuid, ciphertext: &[u8], expires_at: i64) -> Result<()> {
    let sql = "INSERT INTO courier_keys (order_id, ciphertext, expires_at) VALUES (?1, ?2, ?3)";
    tx.execute(sql, &[order_id.into(), ciphertext.into(), expires_at.into()])
        .map(drop)
}

/// What [`take`] would find, without taking it.
pub fn look(reader: &Reader<'_>, order_id: Uuid, now: i64) -> Result<Retrieval> {
    let sql = "SELECT ciphertext, expires_at, retrieved_at FROM courier_keys WHERE order_id = ?1";
    let found = reader.first(sql, &[order_id.into()], |row| {
        Ok((row.opt_blob(0)?, row.int(1)?, row.opt_int(2)?))
    })?;
    Ok(match found {
        None => Retrieval::Unknown,
        Some((_, _, Some(at))) => Retrieval::Before(at),
        Some((Some(ciphertext), expires_at, None)) if now < expires_at => Retrieval::Ciphertext(ciphertext),
        Some(_) => Retrieval::Expired,
    })
}

/// Gives the key of an order out, for one caller over all servers.
pub fn take(tx: &Tx<'_>, order_id: Uuid, now: i64) -> Result<Retrieval> {
    let found = look(tx, order_id, now)?;
    if matches!(found, Retrieval::Ciphertext(_)) {
        let sql = "UPDATE courier_keys SET ciphertext = NULL, retrieved_at = ?2
            WHERE order_id = ?1 AND retrieved_at IS NULL";
        tx.execute(sql, &[order_id.into(), now.into()])?;
    }
    Ok(found)
}

/// Removes the ciphertext of an order, if it is there still.
pub fn discard(tx: &Tx<'_>, order_id: Uuid) -> Result<()> {
    let sql = "UPDATE courier_keys SET ciphertext = NULL WHERE order_id = ?1";
    tx.execute(sql, &[order_id.into()]).map(drop)
}

/// Removes ciphertexts that expired before a time (epoch milliseconds), at most so many; how many.
pub fn purge(tx: &Tx<'_>, before: i64, most: u32) -> Result<usize> {
    let sql = "UPDATE courier_keys SET ciphertext = NULL WHERE order_id IN (SELECT order_id FROM courier_keys
        WHERE ciphertext IS NOT NULL AND expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    tx.execute(sql, &[before.into(), i64::from(most).into()])
}
