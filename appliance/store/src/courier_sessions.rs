//! Sessions of couriers: only the hash of a token is kept.
//!
//! Every request looks here, so that a session that is removed has ended for all servers.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
    /// Whose it is.
    pub courier_id: Uuid,
    /// The method by which it was opened.
    pub method: String,
    /// The credential by which it was opened.
    pub credential_id: Option<Uuid>,
    /// The thumbprint of the key that every request must be signed with.
    pub thumbprint: Option<Vec<u8>>,
    /// Whether nobody between can have put another key in the place of that one.
    pub is_key_own: bool,
    /// The class of addresses from which it may be used, as text.
    pub source: String,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub expires_at: i64,
}

const COLUMNS: &str =
    "token_hash, courier_id, method, credential_id, thumbprint, is_key_own, source, created_at, expires_at";

/// Adds a session. A courier that is not there is refused with [`crate::Error::Conflict`].
pub fn insert(tx: &Tx<'_>, session: &SessionRow) -> Result<()> {
    let sql = format!("INSERT INTO courier_sessions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let values = [
        (&session.token_hash).into(),
        session.courier_id.into(),
        (&session.method).into(),
        session.credential_id.into(),
        session.thumbprint.as_ref().into(),
        i64::from(session.is_key_own).into(),
        (&session.source).into(),
        session.created_at.into(),
        session.expires_at.into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

/// By the hash of its token. Whether its time is over is for the caller to see.
pub fn find(reader: &Reader<'_>, token_hash: &[u8]) -> Result<Option<SessionRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_sessions WHERE token_hash = ?1");
    reader.first(&sql, &[token_hash.into()], read)
}

/// How many a courier has that end after a time (epoch milliseconds).
pub fn count_of_courier(reader: &Reader<'_>, courier_id: Uuid, now: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM courier_sessions WHERE courier_id = ?1 AND expires_at > ?2";
    let count = reader.first(sql, &[courier_id.into(), now.into()], |row| row.int(0))?;
    Ok(count.unwrap_or(0))
}

/// Ends a session; whether it was there.
pub fn remove(tx: &Tx<'_>, token_hash: &[u8]) -> Result<bool> {
    let sql = "DELETE FROM courier_sessions WHERE token_hash = ?1";
    Ok(tx.execute(sql, &[token_hash.into()])? > 0)
}

/// Ends the sessions of a courier; how many.
pub fn remove_of_courier(tx: &Tx<'_>, courier_id: Uuid) -> Result<usize> {
    let sql = "DELETE FROM courier_sessions WHERE courier_id = ?1";
    tx.execute(sql, &[courier_id.into()])
}

/// Ends the sessions that were opened with a credential of a courier; how many.
pub fn remove_of_credential(tx: &Tx<'_>, courier_id: Uuid, credential_id: Uuid) -> Result<usize> {
    let sql = "DELETE FROM courier_sessions WHERE courier_id = ?1 AND credential_id = ?2";
    tx.execute(sql, &[courier_id.into(), credential_id.into()])
}

/// Ends the sessions that were opened by a method; how many.
pub fn remove_of_method(tx: &Tx<'_>, method: &str) -> Result<usize> {
    let sql = "DELETE FROM courier_sessions WHERE method = ?1";
    tx.execute(sql, &[method.into()])
}

/// Removes sessions that ended before a time (epoch milliseconds), at most so many; how many.
pub fn trim(tx: &Tx<'_>, before: i64, most: u32) -> Result<usize> {
    let sql = "DELETE FROM courier_sessions WHERE token_hash IN (SELECT token_hash FROM courier_sessions
        WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    tx.execute(sql, &[before.into(), i64::from(most).into()])
}

fn read(row: &Row<'_>) -> Result<SessionRow> {
    Ok(SessionRow {
        token_hash: row.blob(0)?,
        courier_id: row.uuid(1)?,
        method: row.text(2)?,
        credential_id: row.opt_uuid(3)?,
        thumbprint: row.opt_blob(4)?,
        is_key_own: row.bool(5)?,
        source: row.text(6)?,
        created_at: row.int(7)?,
        expires_at: row.int(8)?,
    })
}
