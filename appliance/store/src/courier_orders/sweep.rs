//! Orders that somebody has to look after: those that were left, those that nobody comes for, those that may go.

use uuid::Uuid;

use super::row::{COLUMNS, read};
use super::{OrderRow, Status};
use crate::db::{Reader, Tx};
use crate::error::Result;

/// Orders with a status that have not moved since before a time (epoch milliseconds), at most so many: above all those in `signing`
/// after a crash, which have no certificate because that comes in the transaction in which they move on.
pub fn left_in(reader: &Reader<'_>, status: Status, before: i64, limit: u32) -> Result<Vec<OrderRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM courier_orders WHERE status = ?1 AND updated_at < ?2 ORDER BY updated_at, id LIMIT ?3"
    );
    let values = [status.as_str().into(), before.into(), i64::from(limit).into()];
    reader.all(&sql, &values, read)
}

/// Orders whose certificate was recorded from one time until before another one (epoch milliseconds), and is not known to be in use; at
/// most so many.
pub fn uninstalled(reader: &Reader<'_>, since: i64, before: i64, limit: u32) -> Result<Vec<OrderRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM courier_orders WHERE status IN ('issued', 'delivered') AND issued_at >= ?1 AND issued_at < ?2
            ORDER BY issued_at, id LIMIT ?3"
    );
    let values = [since.into(), before.into(), i64::from(limit).into()];
    reader.all(&sql, &values, read)
}

/// What expires when its time is over.
const EXPIRES: &str = "status IN ('pending', 'checking', 'pending_approval', 'issued') AND expires_at <= ?1";

/// Orders for [`expire`], at most so many, the oldest first.
pub fn due_to_expire(reader: &Reader<'_>, now: i64, most: u32) -> Result<Vec<Uuid>> {
    let sql = format!("SELECT id FROM courier_orders WHERE {EXPIRES} ORDER BY expires_at, id LIMIT ?2");
    reader.all(&sql, &[now.into(), i64::from(most).into()], |row| row.uuid(0))
}

/// Lets an order expire that nobody came for in time, and removes its key; whether it did. One that is being signed is left to whoever
/// signs.
pub fn expire(tx: &Tx<'_>, id: Uuid, now: i64) -> Result<bool> {
    let sql =
        format!("UPDATE courier_orders SET status = 'expired', updated_at = ?1 WHERE {EXPIRES} AND id = ?2");
    if tx.execute(&sql, &[now.into(), id.into()])? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE courier_keys SET ciphertext = NULL WHERE order_id = ?1";
    tx.execute_later(sql, &[id.into()])?;
    Ok(true)
}

/// Removes orders that ended before a time (epoch milliseconds) without a certificate, at most so many; how many. Their idempotency keys
/// are forgotten with them.
pub fn remove_in_vain(tx: &Tx<'_>, before: i64, most: u32) -> Result<usize> {
    let sql = "DELETE FROM courier_orders WHERE id IN (SELECT id FROM courier_orders
        WHERE status IN ('rejected', 'failed', 'cancelled', 'expired') AND certificate_id IS NULL AND updated_at < ?1
        ORDER BY id LIMIT ?2)";
    tx.execute(sql, &[before.into(), i64::from(most).into()])
}
