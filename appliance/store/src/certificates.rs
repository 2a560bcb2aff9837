//! Certificates that were issued, and how they are found again.
//!
//! A list goes through an index for each filter and continues after the last row of the page before, so that the millionth
//! page costs as little as the first. Names are searched in lower case in a table of their own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use uuid::Uuid;

use crate::audit::hex;
use crate::changes::Change;
use crate::db::{Reader, Tx};
use crate::error::Result;
use crate::intents;
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
    /// When it was revoked, epoch milliseconds; absent while it is not. Set by [`crate::revocations`] alone.
    pub revoked_at: Option<i64>,
    /// The number of the CRLReason; present exactly when `revoked_at` is.
    pub revocation_reason: Option<i64>,
}

const COLUMNS: &str = "id, issuer_id, serial, profile, subject, der, not_before, not_after, requester, order_id, replaces, \
    created_at, revoked_at, revocation_reason";

/// What a certificate is worth at a time; each has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not revoked, and its end not yet passed.
    Valid,
    /// Revoked or on hold, whether or not its end has passed.
    Revoked,
    /// Not revoked, and its end has passed.
    Expired,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Valid, Self::Revoked, Self::Expired];

    /// `valid`, `revoked` or `expired`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// From its text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

impl CertificateRow {
    /// What it is worth at a time (epoch milliseconds).
    pub fn status(&self, now: i64) -> Status {
        if self.revoked_at.is_some() {
            Status::Revoked
        } else if self.not_after < now {
            Status::Expired
        } else {
            Status::Valid
        }
    }
}

/// Which certificates to list. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this issuer.
    pub issuer_id: Option<Uuid>,
    /// Under this profile.
    pub profile: Option<String>,
    /// With this status at `now`.
    pub status: Option<Status>,
    /// With this text anywhere in the subject or in a subject alternative name; case does not matter.
    pub name: Option<String>,
    /// With exactly this subject or subject alternative name (`dns:a.example`, or `a.example` for short); case does not matter.
    pub name_exact: Option<String>,
    /// With this serial, as recorded.
    pub serial: Option<Vec<u8>>,
    /// Ending before this time, epoch milliseconds.
    pub expires_before: Option<i64>,
    /// Ending at or after this time, epoch milliseconds.
    pub expires_after: Option<i64>,
    /// Asked for by this requester.
    pub requester: Option<String>,
    /// After this certificate, in the order of issuance: the last one of the page before.
    pub after: Option<Uuid>,
    /// The time for `status`, epoch milliseconds.
    pub now: i64,
    /// At most so many.
    pub limit: u32,
}

/// RFC 5280 §4.1.2.2. A unique index besides `certificates_by_serial` would cost every issuance a second random page.
const OF_SERIAL: &str = "SELECT 1 FROM certificates WHERE issuer_id = ?1 AND serial = ?2";

/// Records a certificate with its names (text forms such as `dns:a.example`). A serial that the issuer's certificates have
/// already is refused with [`crate::Error::Conflict`].
pub fn insert(tx: &Tx<'_>, certificate: &CertificateRow, names: &[String]) -> Result<()> {
    let serial = [certificate.issuer_id.into(), (&certificate.serial).into()];
    tx.refuse_if_any(OF_SERIAL, &serial, intents::serial_is_used)?;
    tx.make_room(certificate.not_after)?;
    let sql = format!(
        "INSERT INTO certificates ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    );
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
        certificate.revocation_reason.into(),
    ];
    tx.execute_later(&sql, &values)?;
    tx.tell(Change::Issued {
        issuer: certificate.issuer_id,
        serial: hex(&certificate.serial),
    });
    let names = names.iter().chain([&certificate.subject]);
    for name in names.map(|name| name.to_lowercase()).collect::<BTreeSet<_>>() {
        let sql = "INSERT INTO certificate_names (name, certificate_id) VALUES (?1, ?2)";
        tx.execute_later(sql, &[name.into(), certificate.id.into()])?;
    }
    Ok(())
}

/// By identifier.
pub fn find(reader: &Reader<'_>, id: Uuid) -> Result<Option<CertificateRow>> {
    reader.first(
        &format!("SELECT {COLUMNS} FROM certificates WHERE id = ?1"),
        &[id.into()],
        read,
    )
}

/// By serial; one serial may exist under several issuers.
pub fn with_serial(reader: &Reader<'_>, serial: &[u8]) -> Result<Vec<CertificateRow>> {
    reader.all(
        &format!("SELECT {COLUMNS} FROM certificates WHERE serial = ?1"),
        &[serial.into()],
        read,
    )
}

/// By issuer and serial, which together name one certificate.
pub fn of_issuer(reader: &Reader<'_>, issuer_id: Uuid, serial: &[u8]) -> Result<Option<CertificateRow>> {
    let sql = format!("SELECT {COLUMNS} FROM certificates WHERE issuer_id = ?1 AND serial = ?2");
    reader.first(&sql, &[issuer_id.into(), serial.into()], read)
}

/// Calls `each` with every certificate that ends from one time until before another one (epoch milliseconds), in the order of
/// their ends, until it breaks off.
pub(crate) fn for_each_ended_between(
    reader: &Reader<'_>,
    first: i64,
    after: i64,
    mut each: impl FnMut(CertificateRow) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let sql = format!(
        "SELECT {COLUMNS} FROM certificates WHERE not_after >= ?1 AND not_after < ?2 ORDER BY not_after, id"
    );
    reader.for_each_until(&sql, &[first.into(), after.into()], |row| each(read(row)?))
}

/// A page of certificates in the order of issuance.
pub fn list(reader: &Reader<'_>, filter: &Filter) -> Result<Vec<CertificateRow>> {
    let (sql, values) = query(filter);
    reader.all(&sql, &values, read)
}

fn query(filter: &Filter) -> (String, Vec<Value<'_>>) {
    let conditions = conditions(filter);
    let mut sql = format!("SELECT {COLUMNS} FROM certificates WHERE 1 = 1");
    let mut values: Vec<Value<'_>> = Vec::with_capacity(conditions.len() + 1);
    for (text, value) in conditions {
        values.extend(value);
        sql.push_str(&text.replace('#', &format!("?{}", values.len())));
    }
    values.push(i64::from(filter.limit).into());
    // Writing to a String cannot fail.
    let _ = write!(sql, " ORDER BY id LIMIT ?{}", values.len());
    (sql, values)
}

/// Each condition with its value, which stands for the `#` in it.
fn conditions<'a>(filter: &'a Filter) -> Vec<(&'static str, Option<Value<'a>>)> {
    let mut found: Vec<(&'static str, Option<Value<'a>>)> = Vec::new();
    let mut add = |text, value: Option<Value<'a>>| found.extend(value.map(|value| (text, Some(value))));
    add(" AND issuer_id = #", filter.issuer_id.map(Value::from));
    add(" AND profile = #", filter.profile.as_ref().map(Value::from));
    add(" AND requester = #", filter.requester.as_ref().map(Value::from));
    add(
        " AND issuer_id IN (SELECT id FROM issuers) AND serial = #",
        filter.serial.as_ref().map(Value::from),
    );
    add(" AND not_after < #", filter.expires_before.map(Value::from));
    add(" AND not_after >= #", filter.expires_after.map(Value::from));
    add(" AND id > #", filter.after.map(Value::from));
    let part = " AND id IN (SELECT certificate_id FROM certificate_names WHERE instr(name, #) > 0)";
    add(part, filter.name.as_ref().map(|name| name.to_lowercase().into()));
    let whole = " AND id IN (SELECT certificate_id FROM certificate_names
        WHERE name IN (#, 'dns:' || #, 'ip:' || #, 'email:' || #, 'uri:' || #, 'upn:' || #))";
    add(
        whole,
        filter.name_exact.as_ref().map(|name| name.to_lowercase().into()),
    );
    let now = Some(Value::Int(filter.now));
    found.extend(filter.status.map(|status| match status {
        Status::Valid => (" AND revoked_at IS NULL AND not_after >= #", now),
        Status::Revoked => (" AND revoked_at IS NOT NULL", None),
        Status::Expired => (" AND revoked_at IS NULL AND not_after < #", now),
    }));
    found
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
        revocation_reason: row.opt_int(13)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a test that meets something unexpected should stop there"
    )]

    use super::*;
    use crate::{Store, StoreConfig, statuses};

    /// How the database goes about a query.
    fn plan(sql: &str, values: &[Value<'_>]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreConfig::new(folder.path().join("chancery.db"))).unwrap();
        let steps = store
            .read_here(|reader| reader.all(&format!("EXPLAIN QUERY PLAN {sql}"), values, |row| row.text(3)));
        steps.unwrap().join("; ")
    }

    #[test]
    fn a_page_is_read_in_order_and_not_sorted() {
        let filters = [
            Filter::default(),
            Filter {
                after: Some(Uuid::from_u128(1)),
                ..Filter::default()
            },
            Filter {
                issuer_id: Some(Uuid::from_u128(1)),
                ..Filter::default()
            },
            Filter {
                profile: Some("p".to_owned()),
                after: Some(Uuid::from_u128(1)),
                ..Filter::default()
            },
            Filter {
                requester: Some("r".to_owned()),
                ..Filter::default()
            },
            Filter {
                status: Some(Status::Revoked),
                ..Filter::default()
            },
        ];
        for filter in filters {
            let (sql, values) = query(&filter);
            let plan = plan(&sql, &values);
            assert!(
                !plan.contains("TEMP B-TREE") && plan.contains("USING INDEX"),
                "{filter:?}: {plan}"
            );
        }
    }

    #[test]
    fn a_serial_is_looked_up() {
        let filter = Filter {
            serial: Some(vec![1]),
            ..Filter::default()
        };
        let (sql, values) = query(&filter);
        let plan = plan(&sql, &values);
        assert!(
            plan.contains("certificates_by_serial (issuer_id=? AND serial=?)"),
            "{plan}"
        );
    }

    #[test]
    fn an_exact_name_is_looked_up() {
        let filter = Filter {
            name_exact: Some("a".to_owned()),
            ..Filter::default()
        };
        let (sql, values) = query(&filter);
        let plan = plan(&sql, &values);
        assert!(
            plan.contains("certificate_names USING PRIMARY KEY (name=?)"),
            "{plan}"
        );
    }

    #[test]
    fn the_stream_of_statuses_touches_no_certificate() {
        let plan = plan(statuses::OF_CERTIFICATES, &[]);
        assert_eq!(
            plan,
            "SCAN certificates USING COVERING INDEX certificates_by_serial"
        );
    }
}
