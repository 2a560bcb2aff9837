//! When couriers were seen, and what they last said of themselves.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// What is known of a courier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceRow {
    /// Which courier.
    pub courier_id: Uuid,
    /// Epoch milliseconds.
    pub seen_at: i64,
    /// When it last signed in, epoch milliseconds.
    pub signed_in_at: Option<i64>,
    /// By which method it did.
    pub method: Option<String>,
    /// The version of its program.
    pub client_version: Option<String>,
    /// What its machine is called.
    pub hostname: Option<String>,
    /// Its last report, as JSON.
    pub report: Option<String>,
    /// When it means to run next, epoch milliseconds.
    pub next_run_at: Option<i64>,
    /// How many of its runs failed since the last good one.
    pub failures: i64,
}

/// What a courier says when it signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn<'a> {
    /// By which method.
    pub method: &'a str,
    /// The version of its program.
    pub client_version: Option<&'a str>,
    /// What its machine is called.
    pub hostname: Option<&'a str>,
}

/// What a courier reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// All of it, as JSON.
    pub body: &'a str,
    /// When it means to run next, epoch milliseconds.
    pub next_run_at: Option<i64>,
    /// How many of its runs failed since the last good one.
    pub failures: i64,
}

const COLUMNS: &str =
    "courier_id, seen_at, signed_in_at, method, client_version, hostname, report, next_run_at, failures";

/// Notes that a courier signed in. A courier that is not there is refused with [`crate::Error::Conflict`].
pub fn sign_in(tx: &Tx<'_>, courier_id: Uuid, sign_in: &SignIn<'_>, at: i64) -> Result<()> {
    let sql = "INSERT INTO courier_presence (courier_id, seen_at, signed_in_at, method, client_version, hostname, failures)
        VALUES (?1, ?2, ?2, ?3, ?4, ?5, 0) ON CONFLICT (courier_id) DO UPDATE SET seen_at = excluded.seen_at,
        signed_in_at = excluded.signed_in_at, method = excluded.method,
        client_version = coalesce(excluded.client_version, courier_presence.client_version),
        hostname = coalesce(excluded.hostname, courier_presence.hostname)";
    let values = [
        courier_id.into(),
        at.into(),
        sign_in.method.into(),
        sign_in.client_version.into(),
        sign_in.hostname.into(),
    ];
    tx.execute_later(sql, &values)
}

/// Notes what a courier reports. A courier that is not there is refused with [`crate::Error::Conflict`].
pub fn report(tx: &Tx<'_>, courier_id: Uuid, report: &Report<'_>, at: i64) -> Result<()> {
    let sql = "INSERT INTO courier_presence (courier_id, seen_at, report, next_run_at, failures) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (courier_id) DO UPDATE SET seen_at = excluded.seen_at, report = excluded.report,
        next_run_at = excluded.next_run_at, failures = excluded.failures";
    let values = [
        courier_id.into(),
        at.into(),
        report.body.into(),
        report.next_run_at.into(),
        report.failures.into(),
    ];
    tx.execute_later(sql, &values)
}

/// Notes that a courier was seen; the time only moves forward. Meant to be called now and then, not for every request.
pub fn touch(tx: &Tx<'_>, courier_id: Uuid, at: i64) -> Result<()> {
    let sql = "UPDATE courier_presence SET seen_at = ?2 WHERE courier_id = ?1 AND seen_at < ?2";
    tx.execute_later(sql, &[courier_id.into(), at.into()])
}

/// What is known of a courier.
pub fn find(reader: &Reader<'_>, courier_id: Uuid) -> Result<Option<PresenceRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_presence WHERE courier_id = ?1");
    reader.first(&sql, &[courier_id.into()], read)
}

/// The couriers that signed in by a method the last time: whom it concerns when the method is switched off. At most so many, after
/// one of them.
pub fn signed_in_by(
    reader: &Reader<'_>,
    method: &str,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<PresenceRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM courier_presence WHERE method = ?1 AND courier_id > ?2 ORDER BY courier_id LIMIT ?3"
    );
    let values = [
        method.into(),
        after.unwrap_or(Uuid::nil()).into(),
        i64::from(limit).into(),
    ];
    reader.all(&sql, &values, read)
}

fn read(row: &Row<'_>) -> Result<PresenceRow> {
    Ok(PresenceRow {
        courier_id: row.uuid(0)?,
        seen_at: row.int(1)?,
        signed_in_at: row.opt_int(2)?,
        method: row.opt_text(3)?,
        client_version: row.opt_text(4)?,
        hostname: row.opt_text(5)?,
        report: row.opt_text(6)?,
        next_run_at: row.opt_int(7)?,
        failures: row.int(8)?,
    })
}
