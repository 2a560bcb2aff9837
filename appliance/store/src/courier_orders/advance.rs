//! How an order moves on: from the status that whoever moves it has seen, or not at all.

use uuid::Uuid;

use super::Status;
use crate::db::Tx;
use crate::error::{Error, Result};

/// An order moves on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which order.
    pub id: Uuid,
    /// From where.
    pub from: Status,
    /// To where; not to a status that has a certificate, for which there is [`issue`].
    pub to: Status,
    /// Epoch milliseconds.
    pub at: i64,
    /// What is doubtful about it, as a JSON array, where that is known by now.
    pub warnings: Option<String>,
    /// Why it ended in vain, as JSON.
    pub fault: Option<String>,
}

/// An order gets its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Which order.
    pub id: Uuid,
    /// The certificate.
    pub certificate_id: Uuid,
    /// SHA-256 of the certificate.
    pub fingerprint: Vec<u8>,
    /// The fingerprint of its key.
    pub key_fingerprint: Vec<u8>,
    /// Epoch milliseconds.
    pub at: i64,
}

/// Moves an order on. [`Error::Absent`] when it is not there or no longer where the move starts.
pub fn advance(tx: &Tx<'_>, step: &Move) -> Result<()> {
    let sql = "UPDATE courier_orders SET status = ?3, updated_at = ?4, warnings = coalesce(?5, warnings),
        fault = coalesce(?6, fault) WHERE id = ?1 AND status = ?2";
    let values = [
        step.id.into(),
        step.from.as_str().into(),
        step.to.as_str().into(),
        step.at.into(),
        step.warnings.as_ref().into(),
        step.fault.as_ref().into(),
    ];
    let what = || format!("order {} that is {}", step.id, step.from.as_str());
    tx.change_one(sql, &values, what)
}

/// Moves an order on from `signing` to `issued`, in the transaction that records its certificate. [`Error::Conflict`], maybe later in
/// the job, when it is not being signed any more: nothing may be recorded then that nobody asks for.
pub fn issue(tx: &Tx<'_>, issue: &Issue) -> Result<()> {
    let sql = "UPDATE courier_orders SET status = 'issued', updated_at = ?2, issued_at = ?2, certificate_id = ?3, fingerprint = ?4,
        key_fingerprint = ?5 WHERE id = ?1 AND status = 'signing'";
    let values = [
        issue.id.into(),
        issue.at.into(),
        issue.certificate_id.into(),
        (&issue.fingerprint).into(),
        (&issue.key_fingerprint).into(),
    ];
    tx.change_one_later(sql, &values, |error| match error {
        Error::Absent { .. } => Error::Conflict {
            constraint: "the order is not being signed any more".to_owned(),
        },
        other => other,
    })
}

/// Notes that the certificate of an order was fetched; whether that was the first time.
pub fn deliver(tx: &Tx<'_>, id: Uuid, at: i64) -> Result<bool> {
    let sql = "UPDATE courier_orders SET status = 'delivered', updated_at = ?2, delivered_at = ?2
        WHERE id = ?1 AND status = 'issued'";
    Ok(tx.execute(sql, &[id.into(), at.into()])? > 0)
}

/// Notes that the certificate of an order is in use, with the acknowledgement as JSON; whether that was the first time. One that was
/// never seen to be fetched was fetched by then.
pub fn acknowledge(tx: &Tx<'_>, id: Uuid, ack: &str, at: i64) -> Result<bool> {
    let sql = "UPDATE courier_orders SET status = 'installed', updated_at = ?2, installed_at = ?2, ack = ?3,
        delivered_at = coalesce(delivered_at, ?2) WHERE id = ?1 AND status IN ('issued', 'delivered')";
    Ok(tx.execute(sql, &[id.into(), at.into(), ack.into()])? > 0)
}

/// Takes its idempotency key from an order that failed, so that another may have it; whether that was so. From then on it has its own
/// identifier for one.
pub fn give_key_up(tx: &Tx<'_>, id: Uuid) -> Result<bool> {
    let sql = "UPDATE courier_orders SET idempotency_key = ?2 WHERE id = ?1 AND status = 'failed'";
    Ok(tx.execute(sql, &[id.into(), id.to_string().into()])? > 0)
}
