//! How often something happened in a stretch of time, over all servers: what rate limits look at.
//!
//! Time is cut into windows of a length, which begin at its multiples. Counting is a change of its own: what is counted counts even
//! when what it guards is refused.

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};

/// Counts one more in the window of so many milliseconds in which a time lies (epoch milliseconds); gives how many there are by then.
pub fn count(tx: &Tx<'_>, key: &str, window: i64, now: i64) -> Result<i64> {
    let (begins_at, ends_at) = bounds(window, now)?;
    let sql = "INSERT INTO tallies (key, begins_at, ends_at, count) VALUES (?1, ?2, ?3, 1)
        ON CONFLICT (key, begins_at, ends_at) DO UPDATE SET count = tallies.count + 1";
    tx.execute_later(sql, &[key.into(), begins_at.into(), ends_at.into()])?;
    counted(tx, key, window, now)
}

/// How many there are in the window, without another one.
pub fn counted(reader: &Reader<'_>, key: &str, window: i64, now: i64) -> Result<i64> {
    let (begins_at, ends_at) = bounds(window, now)?;
    let sql = "SELECT count FROM tallies WHERE key = ?1 AND begins_at = ?2 AND ends_at = ?3";
    let count = reader.first(sql, &[key.into(), begins_at.into(), ends_at.into()], |row| {
        row.int(0)
    })?;
    Ok(count.unwrap_or(0))
}

/// Forgets windows that ended before a time (epoch milliseconds), at most so many; how many.
pub fn trim(tx: &Tx<'_>, before: i64, most: u32) -> Result<usize> {
    let sql =
        "DELETE FROM tallies WHERE (key, begins_at, ends_at) IN (SELECT key, begins_at, ends_at FROM tallies
        WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)";
    tx.execute(sql, &[before.into(), i64::from(most).into()])
}

fn bounds(window: i64, now: i64) -> Result<(i64, i64)> {
    let begins_at = now
        .checked_rem_euclid(window)
        .filter(|_| window > 0)
        .and_then(|into| now.checked_sub(into));
    begins_at
        .and_then(|begins_at| Some((begins_at, begins_at.checked_add(window)?)))
        .ok_or_else(|| Error::Internal(format!("a window of {window} ms around {now}")))
}
