//! Orders: every request for a certificate and what became of it, so that "why refused" has an answer. An order is recorded
//! when it ends; before that, its intent stands for it.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its identifier.
    pub id: Uuid,
    /// Epoch milliseconds.
    pub at: i64,
    /// Who asked.
    pub requester: String,
    /// Under which profile.
    pub profile: String,
    /// Of which issuer, when one was found.
    pub issuer_id: Option<Uuid>,
    /// The wanted subject.
    pub subject: String,
    /// The wanted names, separated by blanks.
    pub names: String,
    /// `issued`, `refused` or `failed`.
    pub state: String,
    /// The stable code of a refusal or failure.
    pub code: Option<String>,
    /// What was told.
    pub message: Option<String>,
    /// More of it, as JSON.
    pub details: Option<String>,
    /// The certificate that came of it.
    pub certificate_id: Option<Uuid>,
}

const COLUMNS: &str =
    "id, at, requester, profile, issuer_id, subject, names, state, code, message, details, certificate_id";

/// Adds an order.
pub fn insert(tx: &Tx<'_>, order: &OrderRow) -> Result<()> {
    put(tx, order, "")
}

/// Adds an order, unless it was recorded before.
pub fn insert_unless_there(tx: &Tx<'_>, order: &OrderRow) -> Result<()> {
    put(tx, order, "ON CONFLICT (id) DO NOTHING")
}

fn put(tx: &Tx<'_>, order: &OrderRow, otherwise: &str) -> Result<()> {
    let sql = format!(
        "INSERT INTO orders ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) {otherwise}"
    );
    let values = [
        order.id.into(),
        order.at.into(),
        (&order.requester).into(),
        (&order.profile).into(),
        order.issuer_id.into(),
        (&order.subject).into(),
        (&order.names).into(),
        (&order.state).into(),
        order.code.as_ref().into(),
        order.message.as_ref().into(),
        order.details.as_ref().into(),
        order.certificate_id.into(),
    ];
    tx.execute_later(&sql, &values)
}

/// One order.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<OrderRow>> {
    reader.first(
        &format!("SELECT {COLUMNS} FROM orders WHERE id = ?1"),
        &[id.into()],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<OrderRow> {
    Ok(OrderRow {
        id: row.uuid(0)?,
        at: row.int(1)?,
        requester: row.text(2)?,
        profile: row.text(3)?,
        issuer_id: row.opt_uuid(4)?,
        subject: row.text(5)?,
        names: row.text(6)?,
        state: row.text(7)?,
        code: row.opt_text(8)?,
        message: row.opt_text(9)?,
        details: row.opt_text(10)?,
        certificate_id: row.opt_uuid(11)?,
    })
}
