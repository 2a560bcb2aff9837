//! Alarms: what an operator should look at, from when to when. One is raised once for its subject, and cleared when it is over.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::bridges::SilentBridge;
use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::{Row, Value};

/// The certificate of an order is in use nowhere, as far as its courier says.
pub const ISSUED_NOT_INSTALLED: &str = "issued_not_installed";
/// A courier was not seen for longer than it should be.
pub const SILENT_COURIER: &str = "silent_courier";
/// An instance of a bridge says nothing any more.
pub const BRIDGE_DISCONNECTED: &str = "bridge_disconnected";

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmRow {
    /// Its identifier.
    pub id: Uuid,
    /// What is wrong, as [`SILENT_COURIER`].
    pub kind: String,
    /// With what: the order, the courier, or the instance of a bridge.
    pub subject: Uuid,
    /// Which courier it is about.
    pub courier_id: Option<Uuid>,
    /// What is wrong, for people.
    pub message: String,
    /// Epoch milliseconds.
    pub raised_at: i64,
    /// Epoch milliseconds; nothing while it lasts.
    pub cleared_at: Option<i64>,
}

/// Which alarms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only about this courier.
    pub courier_id: Option<Uuid>,
    /// Only those that last, or only those that are over.
    pub is_open: Option<bool>,
    /// After this one.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

/// An order whose certificate nobody said to be in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    /// The order.
    pub order_id: Uuid,
    /// Its courier.
    pub courier_id: Uuid,
    /// The name of the courier.
    pub courier_name: String,
    /// The names of the certificate, as JSON.
    pub names: String,
}

/// A courier that is not heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// The courier.
    pub courier_id: Uuid,
    /// Its name.
    pub name: String,
    /// Epoch milliseconds.
    pub seen_at: i64,
}

const COLUMNS: &str = "id, kind, subject, courier_id, message, raised_at, cleared_at";

/// The certificate of order `o` was issued by `?1`, is good at `?2`, nobody said that it is in use, and no later one of the same names
/// of the same courier is in use.
const IS_UNACKNOWLEDGED: &str = "o.installed_at IS NULL AND o.certificate_id IS NOT NULL AND o.issued_at <= ?1
    AND EXISTS (SELECT 1 FROM certificates c WHERE c.id = o.certificate_id AND c.revoked_at IS NULL AND c.not_after > ?2)
    AND EXISTS (SELECT 1 FROM couriers k WHERE k.id = o.courier_id)
    AND NOT EXISTS (SELECT 1 FROM courier_orders n WHERE n.courier_id = o.courier_id AND n.names_digest = o.names_digest
        AND n.issued_at > o.issued_at AND n.installed_at IS NOT NULL)";

/// Courier `k`, seen as `p` says, should have been seen after `?1` and is one that is let in at `?2`.
const IS_SILENT: &str =
    "k.status = 'active' AND (k.expires_at IS NULL OR k.expires_at > ?2) AND p.seen_at <= ?1";

/// Instance `b` of a bridge, which reports as a rule, was last seen by `?1`; `?2` is now.
const IS_DISCONNECTED: &str = "b.status = 'active' AND b.seen_at <= ?1 AND b.created_at <= ?2
    AND EXISTS (SELECT 1 FROM bridge_reports r WHERE r.bridge_id = b.id)";

/// Raises an alarm; whether there was none of that kind about its subject.
pub fn raise(tx: &Tx<'_>, alarm: &AlarmRow) -> Result<bool> {
    let sql = format!(
        "INSERT INTO alarms ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (kind, subject) WHERE cleared_at IS NULL DO NOTHING"
    );
    let values = [
        alarm.id.into(),
        (&alarm.kind).into(),
        alarm.subject.into(),
        alarm.courier_id.into(),
        (&alarm.message).into(),
        alarm.raised_at.into(),
        alarm.cleared_at.into(),
    ];
    Ok(tx.execute(&sql, &values)? > 0)
}

/// Clears an alarm; whether it lasted until then.
pub fn clear(tx: &Tx<'_>, id: Uuid, at: i64) -> Result<bool> {
    let sql = "UPDATE alarms SET cleared_at = ?2 WHERE id = ?1 AND cleared_at IS NULL";
    Ok(tx.execute(sql, &[id.into(), at.into()])? > 0)
}

/// A page of alarms in the order in which they were raised.
pub fn list(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<AlarmRow>> {
    let conditions = [
        ("id > #", filter.after.map(Value::from)),
        ("kind = #", filter.kind.as_ref().map(Value::from)),
        ("courier_id = #", filter.courier_id.map(Value::from)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM alarms WHERE 1 = 1");
    let mut values: Vec<Value<'_>> = Vec::with_capacity(conditions.len() + 1);
    for (text, value) in conditions {
        if let Some(value) = value {
            values.push(value);
            // Writing to a String cannot fail.
            let _ = write!(sql, " AND {}", text.replace('#', &format!("?{}", values.len())));
        }
    }
    sql.push_str(match filter.is_open {
        Some(true) => " AND cleared_at IS NULL",
        Some(false) => " AND cleared_at IS NOT NULL",
        None => "",
    });
    values.push(i64::from(filter.limit).into());
    let _ = write!(sql, " ORDER BY id LIMIT ?{}", values.len());
    reader.all(&sql, &values, read)
}

/// Forgets alarms that were cleared before a time (epoch milliseconds), at most so many; how many.
pub fn trim(tx: &Tx<'_>, before: i64, most: u32) -> Result<usize> {
    let sql = "DELETE FROM alarms WHERE id IN
        (SELECT id FROM alarms WHERE cleared_at < ?1 ORDER BY cleared_at, id LIMIT ?2)";
    tx.execute(sql, &[before.into(), i64::from(most).into()])
}

/// How many of a kind last.
pub fn count_open(reader: &Reader<'_>, kind: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM alarms WHERE kind = ?1 AND cleared_at IS NULL";
    Ok(reader.first(sql, &[kind.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Orders to raise an alarm about: issued by `before`, their certificates good at `now`. At most so many, the oldest first.
pub fn unacknowledged(reader: &Reader<'_>, before: i64, now: i64, most: u32) -> Result<Vec<Unacknowledged>> {
    let sql = format!(
        "SELECT o.id, o.courier_id, o.courier_name, o.names FROM courier_orders o WHERE {IS_UNACKNOWLEDGED}
            AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.kind = ?3 AND a.subject = o.id AND a.cleared_at IS NULL)
            ORDER BY o.issued_at, o.id LIMIT ?4"
    );
    let values = [
        before.into(),
        now.into(),
        ISSUED_NOT_INSTALLED.into(),
        i64::from(most).into(),
    ];
    reader.all(&sql, &values, |row| {
        Ok(Unacknowledged {
            order_id: row.uuid(0)?,
            courier_id: row.uuid(1)?,
            courier_name: row.text(2)?,
            names: row.text(3)?,
        })
    })
}

/// Couriers to raise an alarm about: let in at `now`, and last seen by `before`. One that was never seen was not set up yet. At most so
/// many.
pub fn silent(reader: &Reader<'_>, before: i64, now: i64, most: u32) -> Result<Vec<Silent>> {
    let sql = format!(
        "SELECT k.id, k.name, p.seen_at FROM couriers k JOIN courier_presence p ON p.courier_id = k.id WHERE {IS_SILENT}
            AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.kind = ?3 AND a.subject = k.id AND a.cleared_at IS NULL)
            ORDER BY p.seen_at, k.id LIMIT ?4"
    );
    let values = [
        before.into(),
        now.into(),
        SILENT_COURIER.into(),
        i64::from(most).into(),
    ];
    reader.all(&sql, &values, |row| {
        Ok(Silent {
            courier_id: row.uuid(0)?,
            name: row.text(1)?,
            seen_at: row.int(2)?,
        })
    })
}

/// Instances of bridges to raise an alarm about: last seen by `before`. At most so many.
pub fn disconnected(reader: &Reader<'_>, before: i64, now: i64, most: u32) -> Result<Vec<SilentBridge>> {
    let sql = format!(
        "SELECT b.id, b.bridge, b.seen_at FROM bridges b WHERE {IS_DISCONNECTED}
            AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.kind = ?3 AND a.subject = b.id AND a.cleared_at IS NULL)
            ORDER BY b.seen_at, b.id LIMIT ?4"
    );
    let values = [
        before.into(),
        now.into(),
        BRIDGE_DISCONNECTED.into(),
        i64::from(most).into(),
    ];
    reader.all(&sql, &values, |row| {
        Ok(SilentBridge {
            id: row.uuid(0)?,
            bridge: row.text(1)?,
            seen_at: row.int(2)?,
        })
    })
}

/// Alarms about instances of bridges that are over: seen again, or retired. The times are those of [`disconnected`].
pub fn connected_meanwhile(reader: &Reader<'_>, before: i64, now: i64, most: u32) -> Result<Vec<AlarmRow>> {
    let still = format!("SELECT 1 FROM bridges b WHERE b.id = alarms.subject AND {IS_DISCONNECTED}");
    over(reader, &still, BRIDGE_DISCONNECTED, before, now, most)
}

/// Alarms about orders that are over: acknowledged, replaced, revoked, ended, or their courier is gone. The times are those of
/// [`unacknowledged`].
pub fn acknowledged_meanwhile(
    reader: &Reader<'_>,
    before: i64,
    now: i64,
    most: u32,
) -> Result<Vec<AlarmRow>> {
    let still = format!("SELECT 1 FROM courier_orders o WHERE o.id = alarms.subject AND {IS_UNACKNOWLEDGED}");
    over(reader, &still, ISSUED_NOT_INSTALLED, before, now, most)
}

/// Alarms about couriers that are over: seen again, disabled, ended, or gone. The times are those of [`silent`].
pub fn seen_meanwhile(reader: &Reader<'_>, before: i64, now: i64, most: u32) -> Result<Vec<AlarmRow>> {
    let still = format!(
        "SELECT 1 FROM couriers k JOIN courier_presence p ON p.courier_id = k.id WHERE k.id = alarms.subject AND {IS_SILENT}"
    );
    over(reader, &still, SILENT_COURIER, before, now, most)
}

fn over(
    reader: &Reader<'_>,
    still: &str,
    kind: &str,
    before: i64,
    now: i64,
    most: u32,
) -> Result<Vec<AlarmRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM alarms WHERE kind = ?3 AND cleared_at IS NULL AND NOT EXISTS ({still}) ORDER BY id LIMIT ?4"
    );
    let values = [before.into(), now.into(), kind.into(), i64::from(most).into()];
    reader.all(&sql, &values, read)
}

fn read(row: &Row<'_>) -> Result<AlarmRow> {
    Ok(AlarmRow {
        id: row.uuid(0)?,
        kind: row.text(1)?,
        subject: row.uuid(2)?,
        courier_id: row.opt_uuid(3)?,
        message: row.text(4)?,
        raised_at: row.int(5)?,
        cleared_at: row.opt_int(6)?,
    })
}
