//! Intents: what is about to be signed, recorded before the signer sees it.
//!
//! An intent goes when its certificate is recorded, and its order with it. One that is left after a crash is an orphan:
//! something may have been signed under its serial.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::{Error, Result};
use crate::orders::OrderRow;
use crate::value::Row;

/// One intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRow {
    /// Who will sign.
    pub issuer_id: Uuid,
    /// The serial.
    pub serial: Vec<u8>,
    /// The order it serves.
    pub order_id: Uuid,
    /// SHA-256 of the TBS bytes.
    pub tbs_hash: Vec<u8>,
    /// The end of the certificate's validity, epoch milliseconds.
    pub not_after: i64,
    /// Epoch milliseconds.
    pub at: i64,
    /// Who asked.
    pub requester: String,
    /// Under which profile.
    pub profile: String,
    /// The wanted subject.
    pub subject: String,
    /// The wanted names, separated by blanks.
    pub names: String,
    /// The server that is at work on it; nil for a program of the time before there were several.
    pub node: Uuid,
}

impl IntentRow {
    /// The order as it ends.
    pub fn order(&self, end: End<'_>) -> OrderRow {
        let (state, certificate_id, why) = match end {
            End::Issued(id) => ("issued", Some(id), None),
            End::Failed { code, message } => ("failed", None, Some((code, message))),
        };
        OrderRow {
            id: self.order_id,
            at: self.at,
            requester: self.requester.clone(),
            profile: self.profile.clone(),
            issuer_id: Some(self.issuer_id),
            subject: self.subject.clone(),
            names: self.names.clone(),
            state: state.to_owned(),
            code: why.map(|(code, _)| code.to_owned()),
            message: why.map(|(_, message)| message.to_owned()),
            details: None,
            certificate_id,
        }
    }
}

/// How an order ends after its intent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End<'a> {
    /// With this certificate.
    Issued(Uuid),
    /// With none: the request was right, carrying it out was not possible.
    Failed {
        /// The stable code.
        code: &'a str,
        /// What is told.
        message: &'a str,
    },
}

const COLUMNS: &str =
    "issuer_id, serial, order_id, tbs_hash, not_after, at, requester, profile, subject, names, node";

const REMOVE: &str = "DELETE FROM intents WHERE issuer_id = ?1 AND serial = ?2";

/// Records an intent. A serial that the issuer has ever used is refused with [`Error::Conflict`]: it must never be signed
/// a second time (RFC 5280 §4.1.2.2).
pub fn insert(tx: &Tx<'_>, intent: &IntentRow) -> Result<()> {
    let used = "SELECT 1 FROM certificates WHERE issuer_id = ?1 AND serial = ?2
        UNION ALL SELECT 1 FROM revocations WHERE issuer_id = ?1 AND serial = ?2 LIMIT 1";
    let serial = [intent.issuer_id.into(), (&intent.serial).into()];
    tx.refuse_if_any(used, &serial, serial_is_used)?;
    let sql =
        format!("INSERT INTO intents ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    let values = [
        intent.issuer_id.into(),
        (&intent.serial).into(),
        intent.order_id.into(),
        (&intent.tbs_hash).into(),
        intent.not_after.into(),
        intent.at.into(),
        (&intent.requester).into(),
        (&intent.profile).into(),
        (&intent.subject).into(),
        (&intent.names).into(),
        intent.node.into(),
    ];
    tx.execute_later(&sql, &values)
}

pub(crate) fn serial_is_used(error: Error) -> Error {
    match error {
        Error::Absent { .. } | Error::Conflict { .. } => Error::Conflict {
            constraint: "the issuer has used this serial before".to_owned(),
        },
        other => other,
    }
}

/// Removes an intent whose certificate is recorded with it. One that is gone was taken for an orphan, so that what was signed
/// must not be handed out: [`Error::Conflict`].
pub fn fulfil(tx: &Tx<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<()> {
    tx.change_one_later(REMOVE, &[issuer_id.into(), serial.into()], |error| match error {
        Error::Absent { .. } => Error::Conflict {
            constraint: "the intent was settled as an orphan".to_owned(),
        },
        other => other,
    })
}

/// Removes an intent, whose serial is revoked or was not signed under; whether it was there.
pub fn remove(tx: &Tx<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<bool> {
    Ok(tx.execute(REMOVE, &[issuer_id.into(), serial.into()])? > 0)
}

/// All intents, oldest first. At start, before anything is signed, every one of them is an orphan.
pub fn all(reader: &Reader<'_>) -> Result<Vec<IntentRow>> {
    reader.all(&format!("SELECT {COLUMNS} FROM intents ORDER BY at"), &[], read)
}

/// Intents recorded before a time, all of them orphans when nothing is being signed.
pub fn before(reader: &Reader<'_>, at: i64) -> Result<Vec<IntentRow>> {
    reader.all(
        &format!("SELECT {COLUMNS} FROM intents WHERE at < ?1 ORDER BY at"),
        &[at.into()],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<IntentRow> {
    Ok(IntentRow {
        issuer_id: row.uuid(0)?,
        serial: row.blob(1)?,
        order_id: row.uuid(2)?,
        tbs_hash: row.blob(3)?,
        not_after: row.int(4)?,
        at: row.int(5)?,
        requester: row.text(6)?,
        profile: row.text(7)?,
        subject: row.text(8)?,
        names: row.text(9)?,
        node: row.uuid(10)?,
    })
}
