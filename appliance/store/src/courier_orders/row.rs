//! An order as it lies in its table.

use uuid::Uuid;

use crate::db::Tx;
use crate::error::{Error, Result};
use crate::value::Row;

/// How far an order is.
// stored: as text in courier_orders.status
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has arrived.
    Pending,
    /// It is looked at.
    Checking,
    /// Somebody has to approve it.
    PendingApproval,
    /// Its certificate is being signed.
    Signing,
    /// There is a certificate.
    Issued,
    /// The courier has fetched it.
    Delivered,
    /// The courier has said that it is in use.
    Installed,
    /// It is not allowed.
    Rejected,
    /// It was allowed, and carrying it out was not possible.
    Failed,
    /// The courier does not want it any more.
    Cancelled,
    /// Nobody came for it in time.
    Expired,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Checking,
        Self::PendingApproval,
        Self::Signing,
        Self::Issued,
        Self::Delivered,
        Self::Installed,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// `pending`, `checking`, `pending_approval` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Checking => "checking",
            Self::PendingApproval => "pending_approval",
            Self::Signing => "signing",
            Self::Issued => "issued",
            Self::Delivered => "delivered",
            Self::Installed => "installed",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// From its text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// Whether nothing comes after it.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Installed | Self::Rejected | Self::Failed | Self::Cancelled | Self::Expired => true,
            Self::Pending
            | Self::Checking
            | Self::PendingApproval
            | Self::Signing
            | Self::Issued
            | Self::Delivered => false,
        }
    }
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Its identifier.
    pub id: Uuid,
    /// Whose it is.
    pub courier_id: Uuid,
    /// What the courier was called then.
    pub courier_name: String,
    /// What the courier calls the request by, so that it counts once.
    pub idempotency_key: String,
    /// SHA-256 of the request.
    pub request_digest: Vec<u8>,
    /// `issue` or `renew`.
    pub kind: String,
    /// How far it is.
    pub status: Status,
    /// `local` or `platform`: where the key is made.
    pub key_mode: String,
    /// The wanted names, as a JSON array of texts.
    pub names: String,
    /// A digest of the wanted names, by which the same ones are found.
    pub names_digest: Vec<u8>,
    /// The fingerprint of the key, when there is one.
    pub key_fingerprint: Option<Vec<u8>>,
    /// What the courier calls the certificate.
    pub label: Option<String>,
    /// Under which profile.
    pub profile: String,
    /// The request, as JSON.
    pub request: String,
    /// What is doubtful about it, as a JSON array.
    pub warnings: String,
    /// Why it ended in vain, as JSON.
    pub fault: Option<String>,
    /// The certificate that came of it.
    pub certificate_id: Option<Uuid>,
    /// SHA-256 of that certificate.
    pub fingerprint: Option<Vec<u8>>,
    /// SHA-256 of the certificate that it replaces.
    pub replaces: Option<Vec<u8>>,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// When it last moved on, epoch milliseconds.
    pub updated_at: i64,
    /// Until when somebody must have come for it, epoch milliseconds.
    pub expires_at: i64,
    /// When its certificate was recorded, epoch milliseconds.
    pub issued_at: Option<i64>,
    /// When its certificate was first fetched, epoch milliseconds.
    pub delivered_at: Option<i64>,
    /// When its certificate was acknowledged, epoch milliseconds.
    pub installed_at: Option<i64>,
    /// The acknowledgement, as JSON.
    pub ack: Option<String>,
}

pub(super) const COLUMNS: &str = "id, courier_id, courier_name, idempotency_key, request_digest, kind, status, key_mode, names, \
    names_digest, key_fingerprint, label, profile, request, warnings, fault, certificate_id, fingerprint, replaces, created_at, \
    updated_at, expires_at, issued_at, delivered_at, installed_at, ack";

pub(super) fn insert(tx: &Tx<'_>, order: &OrderRow) -> Result<()> {
    let values = [
        order.id.into(),
        order.courier_id.into(),
        (&order.courier_name).into(),
        (&order.idempotency_key).into(),
        (&order.request_digest).into(),
        (&order.kind).into(),
        order.status.as_str().into(),
        (&order.key_mode).into(),
        (&order.names).into(),
        (&order.names_digest).into(),
        order.key_fingerprint.as_ref().into(),
        order.label.as_ref().into(),
        (&order.profile).into(),
        (&order.request).into(),
        (&order.warnings).into(),
        order.fault.as_ref().into(),
        order.certificate_id.into(),
        order.fingerprint.as_ref().into(),
        order.replaces.as_ref().into(),
        order.created_at.into(),
        order.updated_at.into(),
        order.expires_at.into(),
        order.issued_at.into(),
        order.delivered_at.into(),
        order.installed_at.into(),
        order.ack.as_ref().into(),
    ];
    let places: Vec<_> = (1..=values.len()).map(|number| format!("?{number}")).collect();
    let sql = format!(
        "INSERT INTO courier_orders ({COLUMNS}) VALUES ({})",
        places.join(", ")
    );
    tx.execute(&sql, &values).map(drop)
}

pub(super) fn read(row: &Row<'_>) -> Result<OrderRow> {
    let status = row.text(6)?;
    Ok(OrderRow {
        id: row.uuid(0)?,
        courier_id: row.uuid(1)?,
        courier_name: row.text(2)?,
        idempotency_key: row.text(3)?,
        request_digest: row.blob(4)?,
        kind: row.text(5)?,
        status: Status::from_text(&status).ok_or_else(|| Error::Corrupt(format!("an order is {status}")))?,
        key_mode: row.text(7)?,
        names: row.text(8)?,
        names_digest: row.blob(9)?,
        key_fingerprint: row.opt_blob(10)?,
        label: row.opt_text(11)?,
        profile: row.text(12)?,
        request: row.text(13)?,
        warnings: row.text(14)?,
        fault: row.opt_text(15)?,
        certificate_id: row.opt_uuid(16)?,
        fingerprint: row.opt_blob(17)?,
        replaces: row.opt_blob(18)?,
        created_at: row.int(19)?,
        updated_at: row.int(20)?,
        expires_at: row.int(21)?,
        issued_at: row.opt_int(22)?,
        delivered_at: row.opt_int(23)?,
        installed_at: row.opt_int(24)?,
        ack: row.opt_text(25)?,
    })
}
