//! Leases: which server has a duty that one at a time may have.
//!
//! A lease ends by itself, by the database's clock. Its token rises with every holder; a change that the duty allows looks at
//! the token in its own transaction ([`require`]), so that a server that was paused and wakes up when its lease is somebody else's
//! can do no harm.

use std::time::Duration;

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};

/// What the names of the leases begin with that say which servers are there.
pub const NODES: &str = "node:";

/// A lease that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The duty.
    pub name: String,
    /// The fence.
    pub token: i64,
}

/// Who has a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which server.
    pub node: Uuid,
    /// Its token.
    pub token: i64,
    /// Whether its time is not over yet.
    pub is_alive: bool,
    /// When that is over, epoch milliseconds of the database.
    pub until: i64,
}

/// Takes a lease for a while; nothing when another server has it. Whoever has it already gets it anew, with a new token.
///
/// One whose end is further away than any server sets it is nobody's: somebody wrote it into the database to keep a duty from being
/// done.
pub fn take(tx: &Tx<'_>, name: &str, node: Uuid, length: Duration) -> Result<Option<Lease>> {
    let longest = end(tx, length.saturating_mul(2))?;
    let token = match holder(tx, name)? {
        Some(held) if held.is_alive && held.until <= longest && held.node != node => return Ok(None),
        Some(held) => held.token + 1,
        None => 1,
    };
    let sql = "INSERT INTO leases (name, node, token, until) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET
        node = excluded.node, token = excluded.token, until = excluded.until";
    let until = end(tx, length)?;
    tx.execute_later(sql, &[name.into(), node.into(), token.into(), until.into()])?;
    Ok(Some(Lease {
        name: name.to_owned(),
        token,
    }))
}

/// Prolongs a lease; [`Error::LeaseLost`] when it is somebody else's by now.
pub fn renew(tx: &Tx<'_>, lease: &Lease, length: Duration) -> Result<()> {
    let until = end(tx, length)?;
    let sql = "UPDATE leases SET until = ?3 WHERE name = ?1 AND token = ?2";
    tx.change_one_later(
        sql,
        &[(&lease.name).into(), lease.token.into(), until.into()],
        lost,
    )
}

/// Refuses a change whose lease is somebody else's by now: [`Error::LeaseLost`].
pub fn require(tx: &Tx<'_>, lease: &Lease) -> Result<()> {
    // Changes nothing, and counts whether the row is there.
    let sql = "UPDATE leases SET token = token WHERE name = ?1 AND token = ?2";
    tx.change_one_later(sql, &[(&lease.name).into(), lease.token.into()], lost)
}

/// Gives everything back that a server has under this name; whoever has it by now keeps it.
pub fn release_of(tx: &Tx<'_>, name: &str, node: Uuid) -> Result<()> {
    let sql = "UPDATE leases SET until = 0 WHERE name = ?1 AND node = ?2";
    tx.execute_later(sql, &[name.into(), node.into()])
}

/// Gives a lease back before its end, unless it is somebody else's by now.
pub fn release(tx: &Tx<'_>, lease: &Lease) -> Result<()> {
    let sql = "UPDATE leases SET until = 0 WHERE name = ?1 AND token = ?2";
    tx.execute_later(sql, &[(&lease.name).into(), lease.token.into()])
}

/// Who had it last.
pub fn holder(reader: &Reader<'_>, name: &str) -> Result<Option<Holder>> {
    let now = reader.database_time()?;
    let sql = "SELECT node, token, until FROM leases WHERE name = ?1";
    reader.first(sql, &[name.into()], |row| {
        Ok(Holder {
            node: row.uuid(0)?,
            token: row.int(1)?,
            is_alive: row.int(2)? > now,
            until: row.int(2)?,
        })
    })
}

/// Whether a server other than this one has a lease whose name begins so.
pub fn is_any_elsewhere(reader: &Reader<'_>, beginning: &str, node: Uuid) -> Result<bool> {
    let now = reader.database_time()?;
    let sql = "SELECT 1 FROM leases WHERE instr(name, ?1) = 1 AND node <> ?2 AND until > ?3 LIMIT 1";
    let found = reader.first(sql, &[beginning.into(), node.into(), now.into()], |_| Ok(()))?;
    Ok(found.is_some())
}

fn end(tx: &Tx<'_>, length: Duration) -> Result<i64> {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Ok(tx.database_time()?.saturating_add(length))
}

fn lost(error: Error) -> Error {
    match error {
        Error::Absent { .. } => Error::LeaseLost,
        other => other,
    }
}
