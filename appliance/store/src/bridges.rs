//! Instances of bridges, the certificates by which they are known, and the tokens by which they come to be.
//!
//! Every request that came through one looks here, so that an instance that is retired has ended for all servers.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeRow {
    /// Its identifier.
    pub id: Uuid,
    /// The bridge whose instance it is, by name.
    pub bridge: String,
    /// The CA that issues for it, where one was named.
    pub issuer: Option<String>,
    /// `active` or `retired`.
    pub status: String,
    /// The version of its program.
    pub version: Option<String>,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub updated_at: i64,
    /// Epoch milliseconds; as fresh as [`touch`] is called.
    pub seen_at: Option<i64>,
    /// Whether it waits for somebody's approval.
    pub is_pending: bool,
}

/// What an instance last said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeReportRow {
    /// As JSON.
    pub report: String,
    /// Epoch milliseconds.
    pub reported_at: i64,
}

/// An instance that is not heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentBridge {
    /// The instance.
    pub id: Uuid,
    /// The bridge whose instance it is, by name.
    pub bridge: String,
    /// Epoch milliseconds.
    pub seen_at: i64,
}

/// A certificate of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeCertificateRow {
    /// SHA-256 of it.
    pub fingerprint: Vec<u8>,
    /// Whose it is.
    pub bridge_id: Uuid,
    /// Under which identifier it was issued.
    pub certificate_id: Uuid,
    /// Epoch milliseconds.
    pub not_after: i64,
}

/// A token for one registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeTokenRow {
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
    /// The bridge whose instance comes to be with it, by name.
    pub bridge: String,
    /// The CA that issues for it.
    pub issuer: Option<String>,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub expires_at: i64,
    /// Whether the instance waits for somebody's approval.
    pub needs_approval: bool,
}

const COLUMNS: &str = "id, bridge, issuer, status, version, created_at, updated_at, seen_at";
const IS_PENDING: &str = "(SELECT count(*) FROM bridge_pending p WHERE p.bridge_id = bridges.id)";
const CERTIFICATE: &str = "fingerprint, bridge_id, certificate_id, not_after";
const TOKEN: &str = "token_hash, bridge, issuer, created_at, expires_at, needs_approval";

/// Adds an instance.
pub fn insert(tx: &Tx<'_>, bridge: &BridgeRow) -> Result<()> {
    let sql = format!("INSERT INTO bridges ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    let values = [
        bridge.id.into(),
        (&bridge.bridge).into(),
        bridge.issuer.as_ref().into(),
        (&bridge.status).into(),
        bridge.version.as_ref().into(),
        bridge.created_at.into(),
        bridge.updated_at.into(),
        bridge.seen_at.into(),
    ];
    tx.execute(&sql, &values)?;
    if bridge.is_pending {
        let sql = "INSERT INTO bridge_pending (bridge_id, since) VALUES (?1, ?2)";
        tx.execute(sql, &[bridge.id.into(), bridge.created_at.into()])?;
    }
    Ok(())
}

/// Approves an instance; whether it waited for that.
pub fn approve(tx: &Tx<'_>, id: Uuid) -> Result<bool> {
    let sql = "DELETE FROM bridge_pending WHERE bridge_id = ?1";
    Ok(tx.execute(sql, &[id.into()])? > 0)
}

/// Keeps what an instance says of itself, in the place of what it said before.
pub fn set_report(tx: &Tx<'_>, id: Uuid, report: &BridgeReportRow) -> Result<()> {
    let sql = "INSERT INTO bridge_reports (bridge_id, report, reported_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (bridge_id) DO UPDATE SET report = excluded.report, reported_at = excluded.reported_at";
    let values = [id.into(), (&report.report).into(), report.reported_at.into()];
    tx.execute(sql, &values).map(drop)
}

/// What an instance last said of itself.
pub fn report(reader: &Reader<'_>, id: Uuid) -> Result<Option<BridgeReportRow>> {
    let sql = "SELECT report, reported_at FROM bridge_reports WHERE bridge_id = ?1";
    reader.first(sql, &[id.into()], |row| {
        Ok(BridgeReportRow {
            report: row.text(0)?,
            reported_at: row.int(1)?,
        })
    })
}

/// Ends an instance: none of its certificates is known any more. [`crate::Error::Absent`] when it is not there or has ended.
pub fn retire(tx: &Tx<'_>, id: Uuid, at: i64) -> Result<()> {
    tx.execute(
        "DELETE FROM bridge_certificates WHERE bridge_id = ?1",
        &[id.into()],
    )?;
    let sql = "UPDATE bridges SET status = 'retired', updated_at = ?2 WHERE id = ?1 AND status = 'active'";
    tx.change_one(sql, &[id.into(), at.into()], || format!("active bridge {id}"))
}

/// Notes that an instance was there. Meant to be called now and then, not for every request.
pub fn touch(tx: &Tx<'_>, id: Uuid, at: i64) -> Result<()> {
    let sql = "UPDATE bridges SET seen_at = ?2 WHERE id = ?1 AND coalesce(seen_at, ?2) <= ?2";
    tx.execute(sql, &[id.into(), at.into()]).map(drop)
}

/// Notes the version of the program of an instance.
pub fn set_version(tx: &Tx<'_>, id: Uuid, version: Option<&str>, at: i64) -> Result<()> {
    let sql = "UPDATE bridges SET version = ?2, updated_at = ?3, seen_at = ?3 WHERE id = ?1";
    let values = [id.into(), version.into(), at.into()];
    tx.change_one(sql, &values, || format!("bridge {id}"))
}

/// One instance.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<BridgeRow>> {
    let sql = format!("SELECT {COLUMNS}, {IS_PENDING} FROM bridges WHERE id = ?1");
    reader.first(&sql, &[id.into()], read)
}

/// A page of instances in the order in which they came to be, after one of them.
pub fn list(reader: &Reader<'_>, after: Option<Uuid>, limit: u32) -> Result<Vec<BridgeRow>> {
    let sql = format!("SELECT {COLUMNS}, {IS_PENDING} FROM bridges WHERE id > ?1 ORDER BY id LIMIT ?2");
    let values = [after.unwrap_or(Uuid::nil()).into(), i64::from(limit).into()];
    reader.all(&sql, &values, read)
}

/// Adds a certificate of an instance; those of it that ended before a time (epoch milliseconds) are forgotten. An instance that has
/// ended gets none: [`crate::Error::Absent`].
pub fn certify(tx: &Tx<'_>, certificate: &BridgeCertificateRow, now: i64) -> Result<()> {
    let id = certificate.bridge_id;
    let sql = "UPDATE bridges SET updated_at = ?2 WHERE id = ?1 AND status = 'active'";
    tx.change_one(sql, &[id.into(), now.into()], || format!("active bridge {id}"))?;
    let sql = "DELETE FROM bridge_certificates WHERE bridge_id = ?1 AND not_after < ?2";
    tx.execute(sql, &[id.into(), now.into()])?;
    let sql = format!("INSERT INTO bridge_certificates ({CERTIFICATE}) VALUES (?1, ?2, ?3, ?4)");
    let values = [
        (&certificate.fingerprint).into(),
        id.into(),
        certificate.certificate_id.into(),
        certificate.not_after.into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

/// The instance that has a certificate. Whether its time is over is for the caller to see.
pub fn find_by_certificate(reader: &Reader<'_>, fingerprint: &[u8; 32]) -> Result<Option<BridgeRow>> {
    let sql = format!(
        "SELECT {COLUMNS}, {IS_PENDING} FROM bridges WHERE id = (SELECT bridge_id FROM bridge_certificates WHERE fingerprint = ?1)"
    );
    reader.first(&sql, &[fingerprint.as_slice().into()], read)
}

/// The certificates of an instance, the one that ends last first.
pub fn certificates(reader: &Reader<'_>, id: Uuid) -> Result<Vec<BridgeCertificateRow>> {
    let sql =
        format!("SELECT {CERTIFICATE} FROM bridge_certificates WHERE bridge_id = ?1 ORDER BY not_after DESC");
    reader.all(&sql, &[id.into()], |row| {
        Ok(BridgeCertificateRow {
            fingerprint: row.blob(0)?,
            bridge_id: row.uuid(1)?,
            certificate_id: row.uuid(2)?,
            not_after: row.int(3)?,
        })
    })
}

/// Adds a token.
pub fn insert_token(tx: &Tx<'_>, token: &BridgeTokenRow) -> Result<()> {
    let sql = format!("INSERT INTO bridge_tokens ({TOKEN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    let values = [
        (&token.token_hash).into(),
        (&token.bridge).into(),
        token.issuer.as_ref().into(),
        token.created_at.into(),
        token.expires_at.into(),
        i64::from(token.needs_approval).into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

/// A token by its hash. Whether its time is over is for the caller to see.
pub fn find_token(reader: &Reader<'_>, token_hash: &[u8; 32]) -> Result<Option<BridgeTokenRow>> {
    let sql = format!("SELECT {TOKEN} FROM bridge_tokens WHERE token_hash = ?1");
    reader.first(&sql, &[token_hash.as_slice().into()], |row| {
        Ok(BridgeTokenRow {
            token_hash: row.blob(0)?,
            bridge: row.text(1)?,
            issuer: row.opt_text(2)?,
            created_at: row.int(3)?,
            expires_at: row.int(4)?,
            needs_approval: row.bool(5)?,
        })
    })
}

/// Uses a token up; [`crate::Error::Absent`] when somebody did before, or its time is over.
pub fn use_token(tx: &Tx<'_>, token_hash: &[u8; 32], now: i64) -> Result<()> {
    let sql = "DELETE FROM bridge_tokens WHERE token_hash = ?1 AND expires_at > ?2";
    let values = [token_hash.as_slice().into(), now.into()];
    tx.change_one(sql, &values, || "registration token".to_owned())
}

/// Removes tokens that ended before a time (epoch milliseconds), at most so many; how many.
pub fn trim_tokens(tx: &Tx<'_>, before: i64, most: u32) -> Result<usize> {
    let sql = "DELETE FROM bridge_tokens WHERE token_hash IN (SELECT token_hash FROM bridge_tokens
        WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    tx.execute(sql, &[before.into(), i64::from(most).into()])
}

fn read(row: &Row<'_>) -> Result<BridgeRow> {
    Ok(BridgeRow {
        id: row.uuid(0)?,
        bridge: row.text(1)?,
        issuer: row.opt_text(2)?,
        status: row.text(3)?,
        version: row.opt_text(4)?,
        created_at: row.int(5)?,
        updated_at: row.int(6)?,
        seen_at: row.opt_int(7)?,
        is_pending: row.bool(8)?,
    })
}
