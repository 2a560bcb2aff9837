//! Couriers: what each is called and what it may do, as JSON with a revision that counts its changes.
//!
//! Nothing of them is kept in memory by servers, so that no other server has to be told: what is changed here counts at the next
//! request. What a courier may do is opaque to the store.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::settings;
use crate::value::{Row, Value};

/// One courier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CourierRow {
    /// Its identifier.
    pub id: Uuid,
    /// What its owner calls it; no two have the same.
    pub name: String,
    /// `active` or `disabled`. One whose time is over is neither: `expires_at` tells.
    pub status: String,
    /// What it may do, as JSON.
    pub record: String,
    /// Counts up from 1; set by [`insert`] and [`update`] alone.
    pub revision: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// Epoch milliseconds.
    pub updated_at: i64,
    /// Epoch milliseconds.
    pub expires_at: Option<i64>,
}

/// Which couriers to list. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// With this status.
    pub status: Option<String>,
    /// With this text anywhere in the name.
    pub name: Option<String>,
    /// After this courier, in the order of making: the last one of the page before.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

const COLUMNS: &str = "id, name, status, record, revision, created_at, updated_at, expires_at";

/// Adds a courier, with revision 1. A name that is taken is refused with [`crate::Error::Conflict`].
pub fn insert(tx: &Tx<'_>, courier: &CourierRow) -> Result<()> {
    let sql = format!("INSERT INTO couriers ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7)");
    let values = [
        courier.id.into(),
        (&courier.name).into(),
        (&courier.status).into(),
        (&courier.record).into(),
        courier.created_at.into(),
        courier.updated_at.into(),
        courier.expires_at.into(),
    ];
    tx.execute(&sql, &values).map(drop)
}

/// Changes a courier whose revision is still the one in the row; gives the next. [`crate::Error::Absent`] when somebody else was
/// first or it is gone.
pub fn update(tx: &Tx<'_>, courier: &CourierRow) -> Result<i64> {
    let sql = "UPDATE couriers SET name = ?3, status = ?4, record = ?5, updated_at = ?6, expires_at = ?7, revision = revision + 1
        WHERE id = ?1 AND revision = ?2";
    let values = [
        courier.id.into(),
        courier.revision.into(),
        (&courier.name).into(),
        (&courier.status).into(),
        (&courier.record).into(),
        courier.updated_at.into(),
        courier.expires_at.into(),
    ];
    let what = || format!("courier {} with revision {}", courier.id, courier.revision);
    tx.change_one(sql, &values, what)?;
    Ok(courier.revision + 1)
}

/// Removes a courier with its credentials, its sessions and its presence; whether it was there. Its orders stay.
pub fn delete(tx: &Tx<'_>, id: Uuid) -> Result<bool> {
    Ok(tx.execute("DELETE FROM couriers WHERE id = ?1", &[id.into()])? > 0)
}

/// By identifier.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<CourierRow>> {
    let sql = format!("SELECT {COLUMNS} FROM couriers WHERE id = ?1");
    reader.first(&sql, &[id.into()], read)
}

/// By name.
pub fn named(reader: &Reader<'_>, name: &str) -> Result<Option<CourierRow>> {
    let sql = format!("SELECT {COLUMNS} FROM couriers WHERE name = ?1");
    reader.first(&sql, &[name.into()], read)
}

/// A page of couriers in the order of making.
pub fn list(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<CourierRow>> {
    let conditions: [(&str, Option<Value<'_>>); 3] = [
        ("status = #", filter.status.as_ref().map(Value::from)),
        ("instr(name, #) > 0", filter.name.as_ref().map(Value::from)),
        ("id > #", filter.after.map(Value::from)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM couriers WHERE 1 = 1");
    let mut values: Vec<Value<'_>> = Vec::with_capacity(conditions.len() + 1);
    for (text, value) in conditions {
        if let Some(value) = value {
            values.push(value);
            // Writing to a String cannot fail.
            let _ = write!(sql, " AND {}", text.replace('#', &format!("?{}", values.len())));
        }
    }
    values.push(i64::from(filter.limit).into());
    let _ = write!(sql, " ORDER BY id LIMIT ?{}", values.len());
    reader.all(&sql, &values, read)
}

/// Whether a method of signing in is switched off for all couriers.
pub fn is_method_off(reader: &Reader<'_>, method: &str) -> Result<bool> {
    Ok(settings::find(reader, &switch(method))?.as_deref() == Some("off"))
}

/// Switches a method of signing in off or on for all couriers. Sessions are another matter:
/// [`crate::courier_sessions::remove_of_method`].
pub fn switch_method(tx: &Tx<'_>, method: &str, is_off: bool) -> Result<()> {
    settings::put(tx, &switch(method), if is_off { "off" } else { "on" })
}

/// The setting that holds the switch of a method.
fn switch(method: &str) -> String {
    format!("couriers.method.{method}")
}

fn read(row: &Row<'_>) -> Result<CourierRow> {
    Ok(CourierRow {
        id: row.uuid(0)?,
        name: row.text(1)?,
        status: row.text(2)?,
        record: row.text(3)?,
        revision: row.int(4)?,
        created_at: row.int(5)?,
        updated_at: row.int(6)?,
        expires_at: row.opt_int(7)?,
    })
}
