//! Certificates that were issued.

use uuid::Uuid;

use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::value::{Row, Value};

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRow {
    /// Its identifier.
    pub id: Uuid,
    /// Who issued it.
    pub issuer_id: Uuid,
    /// Its serial.
    pub serial: Vec<u8>,
    /// Under which profile.
    pub profile: String,
    /// Its subject, as text.
    pub subject: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// Epoch milliseconds.
    pub not_before: i64,
    /// Epoch milliseconds.
    pub not_after: i64,
    /// Who asked for it.
    pub requester: String,
    /// The order it came of.
    pub order_id: Uuid,
    /// The certificate it renews.
    pub replaces: Option<Uuid>,
    /// Epoch milliseconds.
    pub created_at: i64,
    /// When it was revoked, epoch milliseconds; absent while it is not.
    pub revoked_at: Option<i64>,
}

const COLUMNS: &str = "id, issuer_id, serial, profile, subject, der, not_before, not_after, requester, order_id, replaces, \
    created_at, revoked_at";

/// Which certificates to list. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this issuer.
    pub issuer_id: Option<Uuid>,
    /// Under this profile.
    pub profile: Option<String>,
    /// `valid`, `revoked` or `expired`, judged at `now`.
    pub status: Option<String>,
    /// With exactly this subject alternative name, or with this text in the subject.
    pub name: Option<String>,
    /// Ending before this time, epoch milliseconds.
    pub expires_before: Option<i64>,
    /// Asked for by this requester.
    pub requester: Option<String>,
    /// After this certificate, in the order of issuance.
    pub after: Option<Uuid>,
    /// The time for `status`, epoch milliseconds.
    pub now: i64,
    /// At most so many.
    pub limit: u32,
}

/// Records a certificate with its names (text forms such as `dns:a.example`).
pub fn insert(tx: &Tx<'_>, certificate: &CertificateRow, names: &[String]) -> Result<()> {
    let sql =
        format!("INSERT INTO certificates ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
    let values = [
        certificate.id.into(),
        certificate.issuer_id.into(),
        (&certificate.serial).into(),
        (&certificate.profile).into(),
        (&certificate.subject).into(),
        (&certificate.der).into(),
        certificate.not_before.into(),
        certificate.not_after.into(),
        (&certificate.requester).into(),
        certificate.order_id.into(),
        certificate.replaces.into(),
        certificate.created_at.into(),
        certificate.revoked_at.into(),
    ];
    tx.execute(&sql, &values)?;
    for name in names {
        let sql = "INSERT INTO certificate_names (name, certificate_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        tx.execute(sql, &[name.into(), certificate.id.into()])?;
    }
    Ok(())
}

/// By identifier.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<CertificateRow>> {
    reader.first(&format!("SELECT {COLUMNS} FROM certificates WHERE id = ?1"), &[id.into()], read)
}

/// By serial; one serial may exist under several issuers.
pub fn with_serial(reader: &Reader<'_>, serial: &[u8]) -> Result<Vec<CertificateRow>> {
    reader.all(&format!("SELECT {COLUMNS} FROM certificates WHERE serial = ?1"), &[serial.into()], read)
}

/// A page of certificates in the order of issuance.
pub fn list(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<CertificateRow>> {
    let mut sql = format!("SELECT {COLUMNS} FROM certificates WHERE 1 = 1");
    let mut values: Vec<Value> = Vec::new();
    let mut condition = |text: &str, value: Value| {
        values.push(value);
        sql.push_str(&text.replace('#', &format!("?{}", values.len())));
    };
    if let Some(issuer_id) = filter.issuer_id {
        condition(" AND issuer_id = #", issuer_id.into());
    }
    if let Some(profile) = &filter.profile {
        condition(" AND profile = #", profile.into());
    }
    if let Some(requester) = &filter.requester {
        condition(" AND requester = #", requester.into());
    }
    if let Some(name) = &filter.name {
        let by_name = " AND (id IN (SELECT certificate_id FROM certificate_names WHERE name = # OR name = 'dns:' || #)
            OR instr(subject, #) > 0)";
        condition(by_name, name.into());
    }
    if let Some(before) = filter.expires_before {
        condition(" AND not_after < #", before.into());
    }
    match filter.status.as_deref() {
        Some("valid") => condition(" AND revoked_at IS NULL AND not_after >= #", filter.now.into()),
        Some("revoked") => condition(" AND revoked_at IS NOT NULL AND 0 <= #", filter.now.into()),
        Some("expired") => condition(" AND not_after < #", filter.now.into()),
        _ => {}
    }
    if let Some(after) = filter.after {
        condition(" AND id > #", after.into());
    }
    condition(" ORDER BY id LIMIT #", i64::from(filter.limit).into());
    reader.all(&sql, &values, read)
}

/// Calls `each` with (issuer, serial, end of validity) of every certificate, without loading them.
pub fn for_each_serial(
    reader: &Reader<'_>,
    mut each: impl FnMut(Uuid, Vec<u8>, i64) -> Result<()>,
) -> Result<()> {
    reader.for_each("SELECT issuer_id, serial, not_after FROM certificates", &[], |row| {
        each(row.uuid(0)?, row.blob(1)?, row.int(2)?)
    })
}

fn read(row: &Row<'_>) -> Result<CertificateRow> {
    Ok(CertificateRow {
        id: row.uuid(0)?,
        issuer_id: row.uuid(1)?,
        serial: row.blob(2)?,
        profile: row.text(3)?,
        subject: row.text(4)?,
        der: row.blob(5)?,
        not_before: row.int(6)?,
        not_after: row.int(7)?,
        requester: row.text(8)?,
        order_id: row.uuid(9)?,
        replaces: row.opt_uuid(10)?,
        created_at: row.int(11)?,
        revoked_at: row.opt_int(12)?,
    })
}
