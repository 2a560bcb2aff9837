//! API tokens: only the hash of a token is kept.

use crate::changes::Change;
use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its public identifier.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Its role, as text.
    pub role: String,
    /// The issuers and profiles it may use, as JSON.
    pub scopes: String,
    /// SHA-256 of the secret part.
    pub hash: Vec<u8>,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub expires_at: Option<i64>,
    /// Epoch milliseconds.
    pub revoked_at: Option<i64>,
    /// Epoch milliseconds; as fresh as [`touch`] is called.
    pub last_used_at: Option<i64>,
}

const COLUMNS: &str = "id, name, role, scopes, hash, created_at, expires_at, revoked_at, last_used_at";

/// Adds a token.
pub fn insert(tx: &Tx<'_>, token: &TokenRow) -> Result<()> {
    let sql = format!("INSERT INTO api_tokens ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let values = [
        (&token.id).into(),
        (&token.name).into(),
        (&token.role).into(),
        (&token.scopes).into(),
        (&token.hash).into(),
        token.created_at.into(),
        token.expires_at.into(),
        token.revoked_at.into(),
        token.last_used_at.into(),
    ];
    tx.tell(Change::ApiTokens);
    tx.execute(&sql, &values).map(|_| ())
}

/// Revokes a token; whether it was there and not yet revoked.
pub fn revoke(tx: &Tx<'_>, id: &str, at: i64) -> Result<bool> {
    let sql = "UPDATE api_tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
    tx.tell(Change::ApiTokens);
    Ok(tx.execute(sql, &[id.into(), at.into()])? > 0)
}

/// Notes that a token was used; the time only moves forward. Meant to be called now and then, not for every request.
pub fn touch(tx: &Tx<'_>, id: &str, at: i64) -> Result<()> {
    let sql = "UPDATE api_tokens SET last_used_at = ?2 WHERE id = ?1 AND coalesce(last_used_at, ?2) <= ?2";
    tx.execute(sql, &[id.into(), at.into()]).map(|_| ())
}

/// One token.
pub fn find(reader: &Reader<'_>, id: &str) -> Result<Option<TokenRow>> {
    reader.first(
        &format!("SELECT {COLUMNS} FROM api_tokens WHERE id = ?1"),
        &[id.into()],
        read,
    )
}

/// All tokens, oldest first.
pub fn all(reader: &Reader<'_>) -> Result<Vec<TokenRow>> {
    reader.all(
        &format!("SELECT {COLUMNS} FROM api_tokens ORDER BY created_at, id"),
        &[],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<TokenRow> {
    Ok(TokenRow {
        id: row.text(0)?,
        name: row.text(1)?,
        role: row.text(2)?,
        scopes: row.text(3)?,
        hash: row.blob(4)?,
        created_at: row.int(5)?,
        expires_at: row.opt_int(6)?,
        revoked_at: row.opt_int(7)?,
        last_used_at: row.opt_int(8)?,
    })
}
