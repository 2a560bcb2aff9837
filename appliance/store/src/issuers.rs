//! Issuers: one CA certificate with its key. Generations of one CA share a name, and at most one of them is active: retire the
//! old one before the new one is made active, in the same change.

use uuid::Uuid;

use crate::changes::Change;
use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::Row;

/// One issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRow {
    /// Its identifier, which stands in public URLs.
    pub id: Uuid,
    /// The CA's name, shared by its generations.
    pub name: String,
    /// Counts up from 1 under one name.
    pub generation: i64,
    /// `pending`, `active`, `retired` or `disabled`.
    pub state: String,
    /// The subject, as text.
    pub subject: String,
    /// Its key.
    pub key_fingerprint: Vec<u8>,
    /// How it signs, as text.
    pub signature_algorithm: String,
    /// Its certificate in DER; absent while pending.
    pub certificate: Option<Vec<u8>>,
    /// Its request in DER, when another authority certifies it.
    pub csr: Option<Vec<u8>>,
    /// The certificates above it, as a PKCS#7 bundle or empty.
    pub chain: Vec<u8>,
    /// Link certificates of a rolled-over root, concatenated DER.
    pub links: Vec<u8>,
    /// Its settings, as JSON.
    pub settings: String,
    /// Epoch milliseconds.
    pub created_at: i64,
}

const COLUMNS: &str = "id, name, generation, state, subject, key_fingerprint, signature_algorithm, certificate, csr, chain, \
    links, settings, created_at";

/// Adds an issuer.
pub fn insert(tx: &Tx<'_>, issuer: &IssuerRow) -> Result<()> {
    let sql = format!(
        "INSERT INTO issuers ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    let values = [
        issuer.id.into(),
        (&issuer.name).into(),
        issuer.generation.into(),
        (&issuer.state).into(),
        (&issuer.subject).into(),
        (&issuer.key_fingerprint).into(),
        (&issuer.signature_algorithm).into(),
        issuer.certificate.as_ref().into(),
        issuer.csr.as_ref().into(),
        (&issuer.chain).into(),
        (&issuer.links).into(),
        (&issuer.settings).into(),
        issuer.created_at.into(),
    ];
    tx.tell(Change::Issuer { issuer: issuer.id });
    tx.execute(&sql, &values).map(|_| ())
}

/// Gives a pending issuer its certificate and makes it active.
pub fn activate(tx: &Tx<'_>, id: Uuid, subject: &str, certificate: &[u8], chain: &[u8]) -> Result<()> {
    let sql = "UPDATE issuers SET state = 'active', subject = ?2, certificate = ?3, chain = ?4
        WHERE id = ?1 AND state = 'pending'";
    let values = [id.into(), subject.into(), certificate.into(), chain.into()];
    tx.tell(Change::Issuer { issuer: id });
    tx.change_one(sql, &values, || format!("pending issuer {id}"))
}

/// Sets the state of an issuer.
pub fn set_state(tx: &Tx<'_>, id: Uuid, state: &str) -> Result<()> {
    let sql = "UPDATE issuers SET state = ?2 WHERE id = ?1";
    tx.tell(Change::Issuer { issuer: id });
    tx.change_one(sql, &[id.into(), state.into()], || format!("issuer {id}"))
}

/// Switches off an issuer that is still pending; one that got its certificate meanwhile stays, and [`crate::Error::Absent`]
/// says so.
pub fn disable_pending(tx: &Tx<'_>, id: Uuid) -> Result<()> {
    let sql = "UPDATE issuers SET state = 'disabled' WHERE id = ?1 AND state = 'pending'";
    tx.tell(Change::Issuer { issuer: id });
    tx.change_one(sql, &[id.into()], || format!("pending issuer {id}"))
}

/// Sets the link certificates of an issuer.
pub fn set_links(tx: &Tx<'_>, id: Uuid, links: &[u8]) -> Result<()> {
    let sql = "UPDATE issuers SET links = ?2 WHERE id = ?1";
    tx.tell(Change::Issuer { issuer: id });
    tx.change_one(sql, &[id.into(), links.into()], || format!("issuer {id}"))
}

/// Sets the settings (JSON) of an issuer.
pub fn set_settings(tx: &Tx<'_>, id: Uuid, settings: &str) -> Result<()> {
    let sql = "UPDATE issuers SET settings = ?2 WHERE id = ?1";
    tx.tell(Change::Issuer { issuer: id });
    tx.change_one(sql, &[id.into(), settings.into()], || format!("issuer {id}"))
}

/// All issuers, oldest first.
pub fn all(reader: &Reader<'_>) -> Result<Vec<IssuerRow>> {
    reader.all(
        &format!("SELECT {COLUMNS} FROM issuers ORDER BY created_at, generation, id"),
        &[],
        read,
    )
}

/// One issuer.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<IssuerRow>> {
    reader.first(
        &format!("SELECT {COLUMNS} FROM issuers WHERE id = ?1"),
        &[id.into()],
        read,
    )
}

fn read(row: &Row<'_>) -> Result<IssuerRow> {
    Ok(IssuerRow {
        id: row.uuid(0)?,
        name: row.text(1)?,
        generation: row.int(2)?,
        state: row.text(3)?,
        subject: row.text(4)?,
        key_fingerprint: row.blob(5)?,
        signature_algorithm: row.text(6)?,
        certificate: row.opt_blob(7)?,
        csr: row.opt_blob(8)?,
        chain: row.blob(9)?,
        links: row.blob(10)?,
        settings: row.text(11)?,
        created_at: row.int(12)?,
    })
}
