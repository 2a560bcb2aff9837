//! How couriers show who they are: what a method binds to a courier, and of a secret its hash alone.

use std::fmt;

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One credential.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Its identifier.
    pub id: Uuid,
    /// Whose it is.
    pub courier_id: Uuid,
    /// By which method.
    pub method: String,
    /// What the method must find, as JSON: issuer, audience, claims, trust anchors.
    pub binding: String,
    /// What a secret is found by; no two credentials have the same. Present exactly when `secret_hash` is.
    pub client_id: Option<String>,
    /// A hash of the secret that is slow to compute, in its text form.
    pub secret_hash: Option<String>,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub expires_at: Option<i64>,
    /// Epoch milliseconds; as fresh as [`touch`] is called.
    pub last_used_at: Option<i64>,
}

impl fmt::Debug for CredentialRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRow")
            .field("id", &self.id)
            .field("courier_id", &self.courier_id)
            .field("method", &self.method)
            .field("binding", &self.binding)
            .field("client_id", &self.client_id)
            .field("has_secret", &self.secret_hash.is_some())
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("last_used_at", &self.last_used_at)
            .finish()
    }
}

const COLUMNS: &str =
    "id, courier_id, method, binding, client_id, secret_hash, created_at, expires_at, last_used_at";

/// Adds a credential. A client id that is taken, or a courier that is not there, is refused with [`crate::Error::Conflict`].
pub fn insert(tx: &Tx<'_>, credential: &CredentialRow) -> Result<()> {
    let sql =
        format!("INSERT INTO courier_credentials ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let values = [
        credential.id.into(),
        credential.courier_id.into(),
        (&credential.method).into(),
        (&credential.binding).into(),
        credential.client_id.as_ref().into(),
        credential.secret_hash.as_ref().into(),
        credential.created_at.into(),
        credential.expires_at.into(),
        credential.last_used_at.into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

/// Changes what a credential is bound to and when it ends; [`crate::Error::Absent`] when it is not there.
pub fn update(tx: &Tx<'_>, id: Uuid, binding: &str, expires_at: Option<i64>) -> Result<()> {
    let sql = "UPDATE courier_credentials SET binding = ?2, expires_at = ?3 WHERE id = ?1";
    let values = [id.into(), binding.into(), expires_at.into()];
    tx.change_one(sql, &values, || format!("credential {id}"))
}

/// Removes a credential; whether it was there. Sessions that were opened with it are another matter:
/// [`crate::courier_sessions::remove_of_credential`].
pub fn remove(tx: &Tx<'_>, id: Uuid) -> Result<bool> {
    Ok(tx.execute("DELETE FROM courier_credentials WHERE id = ?1", &[id.into()])? > 0)
}

/// Notes that a credential was used; the time only moves forward. Meant to be called now and then, not for every request.
pub fn touch(tx: &Tx<'_>, id: Uuid, at: i64) -> Result<()> {
    let sql =
        "UPDATE courier_credentials SET last_used_at = ?2 WHERE id = ?1 AND coalesce(last_used_at, ?2) <= ?2";
    tx.execute_later(sql, &[id.into(), at.into()])
}

/// One credential.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<CredentialRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_credentials WHERE id = ?1");
    reader.first(&sql, &[id.into()], read)
}

/// Those of a courier, oldest first.
pub fn of_courier(reader: &Reader<'_>, courier_id: Uuid) -> Result<Vec<CredentialRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_credentials WHERE courier_id = ?1 ORDER BY id");
    reader.all(&sql, &[courier_id.into()], read)
}

/// By client id.
pub fn of_client(reader: &Reader<'_>, client_id: &str) -> Result<Option<CredentialRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_credentials WHERE client_id = ?1");
    reader.first(&sql, &[client_id.into()], read)
}

fn read(row: &Row<'_>) -> Result<CredentialRow> {
    Ok(CredentialRow {
        id: row.uuid(0)?,
        courier_id: row.uuid(1)?,
        method: row.text(2)?,
        binding: row.text(3)?,
        client_id: row.opt_text(4)?,
        secret_hash: row.opt_text(5)?,
        created_at: row.int(6)?,
        expires_at: row.opt_int(7)?,
        last_used_at: row.opt_int(8)?,
    })
}
