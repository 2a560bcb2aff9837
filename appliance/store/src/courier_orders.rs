//! Orders of couriers, from the request to the acknowledgement that its certificate is in use.
//!
//! Unlike [`crate::orders`], which record how a request ended, they are there from the beginning and have a status that moves on. Every
//! move names the status from which it starts, so that of two that meet one is refused. An order outlives its courier, whose name it
//! keeps, and goes with its certificate ([`crate::retention::remove_belongings`]) or, when none came of it, by
//! [`remove_in_vain`].

mod advance;
mod row;
mod sweep;

use std::fmt::Write as _;

use uuid::Uuid;

pub use advance::{Issue, Move, acknowledge, advance, deliver, give_key_up, issue};
pub use row::{OrderRow, Status};
pub use sweep::{due_to_expire, expire, left_in, remove_in_vain, uninstalled};

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::{Row, Value};
use row::{COLUMNS, read};

/// What becomes of an order that is put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is new.
    New,
    /// The courier has one with this idempotency key. Whether it is the same request is seen by its digest.
    Before(Box<OrderRow>),
}

/// Which orders to list. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this courier.
    pub courier_id: Option<Uuid>,
    /// With this status.
    pub status: Option<Status>,
    /// With exactly this among its names, as recorded.
    pub name: Option<String>,
    /// Made at or after this time, epoch milliseconds.
    pub since: Option<i64>,
    /// After this order, in the order of making: the last one of the page before.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

/// Adds an order, unless its courier has one with this idempotency key.
pub fn insert_or_find(tx: &Tx<'_>, order: &OrderRow) -> Result<Inserted> {
    if let Some(before) = with_idempotency_key(tx, order.courier_id, &order.idempotency_key)? {
        return Ok(Inserted::Before(Box::new(before)));
    }
    row::insert(tx, order)?;
    Ok(Inserted::New)
}

/// By identifier.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<OrderRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_orders WHERE id = ?1");
    reader.first(&sql, &[id.into()], read)
}

/// By the key that its courier gave it.
pub fn with_idempotency_key(reader: &Reader<'_>, courier_id: Uuid, key: &str) -> Result<Option<OrderRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_orders WHERE courier_id = ?1 AND idempotency_key = ?2");
    reader.first(&sql, &[courier_id.into(), key.into()], read)
}

/// A page of orders in the order of making.
pub fn list(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<OrderRow>> {
    let (sql, values) = query(filter);
    reader.all(&sql, &values, read)
}

fn query(filter: &Filter) -> (String, Vec<Value<'_>>) {
    // The names are a JSON array of texts, in which a whole one stands between quotation marks.
    let name = filter.name.as_ref();
    let name = name.map(|name| Value::from(serde_json::Value::from(name.as_str()).to_string()));
    let conditions = [
        ("courier_id = #", filter.courier_id.map(Value::from)),
        ("status = #", filter.status.map(|status| status.as_str().into())),
        ("instr(names, #) > 0", name),
        ("created_at >= #", filter.since.map(Value::from)),
        ("id > #", filter.after.map(Value::from)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM courier_orders WHERE 1 = 1");
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
    (sql, values)
}

/// The last order of a courier for the same names, the same key and under the same profile that was made at or after a time (epoch
/// milliseconds), is not in vain, and whose certificate is not revoked.
pub fn duplicate(
    reader: &Reader<'_>,
    courier_id: Uuid,
    names_digest: &[u8],
    key_fingerprint: Option<&[u8]>,
    profile: &str,
    since: i64,
) -> Result<Option<OrderRow>> {
    let key = key_fingerprint.map_or("key_fingerprint IS NULL", |_| "key_fingerprint = ?5");
    let sql = format!(
        "SELECT {COLUMNS} FROM courier_orders WHERE courier_id = ?1 AND names_digest = ?2 AND created_at >= ?3 AND {key}
            AND profile = ?4 AND status NOT IN ('rejected', 'failed', 'cancelled', 'expired')
            AND (certificate_id IS NULL OR NOT EXISTS
                (SELECT 1 FROM certificates WHERE certificates.id = certificate_id AND revoked_at IS NOT NULL))
            ORDER BY created_at DESC, id DESC LIMIT 1"
    );
    let mut values = vec![
        courier_id.into(),
        names_digest.into(),
        since.into(),
        profile.into(),
    ];
    values.extend(key_fingerprint.map(Value::from));
    reader.first(&sql, &values, read)
}

/// How many certificates a courier has got since a time (epoch milliseconds).
pub fn count_issued_since(reader: &Reader<'_>, courier_id: Uuid, since: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM courier_orders WHERE courier_id = ?1 AND issued_at >= ?2";
    count(reader, sql, &[courier_id.into(), since.into()])
}

/// How many orders a courier has that have not ended and have no certificate yet.
pub fn count_under_way(reader: &Reader<'_>, courier_id: Uuid) -> Result<i64> {
    let sql = "SELECT count(*) FROM courier_orders WHERE courier_id = ?1
        AND status IN ('pending', 'checking', 'pending_approval', 'signing')";
    count(reader, sql, &[courier_id.into()])
}

fn count(reader: &Reader<'_>, sql: &str, values: &[Value<'_>]) -> Result<i64> {
    let count = reader.first(sql, values, |row: &Row<'_>| row.int(0))?;
    Ok(count.unwrap_or(0))
}

/// The order of a courier that brought the certificate with this SHA-256 fingerprint.
pub fn with_fingerprint(
    reader: &Reader<'_>,
    courier_id: Uuid,
    fingerprint: &[u8],
) -> Result<Option<OrderRow>> {
    let sql = format!("SELECT {COLUMNS} FROM courier_orders WHERE fingerprint = ?1 AND courier_id = ?2");
    reader.first(&sql, &[fingerprint.into(), courier_id.into()], read)
}

/// The last order of a courier that brought a certificate in the place of the one with this fingerprint.
pub fn successor(reader: &Reader<'_>, courier_id: Uuid, fingerprint: &[u8]) -> Result<Option<OrderRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM courier_orders WHERE replaces = ?1 AND courier_id = ?2 AND issued_at IS NOT NULL
            ORDER BY issued_at DESC, id DESC LIMIT 1"
    );
    reader.first(&sql, &[fingerprint.into(), courier_id.into()], read)
}

/// Whether a courier has ordered anything for this key.
pub fn has_ordered_with(reader: &Reader<'_>, courier_id: Uuid, key_fingerprint: &[u8]) -> Result<bool> {
    let sql = "SELECT 1 FROM courier_orders WHERE courier_id = ?1 AND key_fingerprint = ?2 LIMIT 1";
    let values = [courier_id.into(), key_fingerprint.into()];
    Ok(reader.first(sql, &values, |row| row.int(0))?.is_some())
}

/// Whether any certificate that a courier got for this key is revoked because the key is compromised.
pub fn is_key_compromised(reader: &Reader<'_>, courier_id: Uuid, key_fingerprint: &[u8]) -> Result<bool> {
    // RFC 5280 §5.3.1: keyCompromise is 1.
    let sql = "SELECT count(*) FROM courier_orders JOIN certificates ON certificates.id = courier_orders.certificate_id
        WHERE courier_orders.courier_id = ?1 AND courier_orders.key_fingerprint = ?2 AND certificates.revocation_reason = 1";
    count(reader, sql, &[courier_id.into(), key_fingerprint.into()]).map(|count| count > 0)
}

/// The last order of a courier that brought a certificate for what it calls by this label.
pub fn latest_with_label(reader: &Reader<'_>, courier_id: Uuid, label: &str) -> Result<Option<OrderRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM courier_orders WHERE courier_id = ?1 AND issued_at IS NOT NULL AND label = ?2
            ORDER BY issued_at DESC, id DESC LIMIT 1"
    );
    reader.first(&sql, &[courier_id.into(), label.into()], read)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that meets something unexpected should stop there"
    )]

    use super::*;
    use crate::{Store, StoreConfig};

    #[test]
    fn a_page_is_read_in_order_and_not_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreConfig::new(folder.path().join("chancery.db"))).unwrap();
        let courier_id = Some(Uuid::from_u128(1));
        let filters = [
            Filter::default(),
            Filter {
                after: courier_id,
                ..Filter::default()
            },
            Filter {
                courier_id,
                since: Some(1),
                ..Filter::default()
            },
            Filter {
                courier_id,
                status: Some(Status::Failed),
                after: courier_id,
                ..Filter::default()
            },
            Filter {
                status: Some(Status::Failed),
                name: Some("a.example".to_owned()),
                ..Filter::default()
            },
        ];
        for filter in filters {
            let (sql, values) = query(&filter);
            let steps = store.read_here(|reader| {
                reader.all(&format!("EXPLAIN QUERY PLAN {sql}"), &values, |row| row.text(3))
            });
            let plan = steps.unwrap().join("; ");
            assert!(
                !plan.contains("TEMP B-TREE") && plan.contains("USING INDEX"),
                "{filter:?}: {plan}"
            );
        }
    }
}
