//! The status of every serial ever used, as one stream: what the index of the OCSP responder is filled from at start.
//!
//! It is read from covering indexes, so that a million serials cost tens of megabytes of reading and not every certificate.

use uuid::Uuid;

use crate::db::Reader;
use crate::error::Result;

/// The status of one serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialStatus<'a> {
    /// Who issued it.
    pub issuer_id: Uuid,
    /// The serial.
    pub serial: &'a [u8],
    /// The end of the certificate's validity, epoch milliseconds.
    pub not_after: i64,
    /// When (epoch milliseconds) and by which CRLReason it was revoked.
    pub revoked: Option<(i64, i64)>,
}

pub(crate) const OF_CERTIFICATES: &str = "SELECT issuer_id, serial, not_after, revoked_at, revocation_reason FROM certificates ORDER BY issuer_id, serial";
const OF_ORPHANS: &str = "SELECT issuer_id, serial, not_after, revoked_at, reason FROM revocations
    WHERE is_orphan = 1 ORDER BY issuer_id, serial";

/// Calls `each` with every certificate's serial, then with every revoked serial that has no certificate. Each serial of an
/// issuer comes once.
pub fn for_each(reader: &Reader<'_>, mut each: impl FnMut(SerialStatus<'_>) -> Result<()>) -> Result<()> {
    for sql in [OF_CERTIFICATES, OF_ORPHANS] {
        reader.for_each(sql, &[], |row| {
            each(SerialStatus {
                issuer_id: row.uuid(0)?,
                serial: row.octets(1)?,
                not_after: row.int(2)?,
                revoked: row.opt_int(3)?.zip(row.opt_int(4)?),
            })
        })?;
    }
    Ok(())
}

/// The same for one issuer; an orphan comes once.
pub fn for_each_of_issuer(
    reader: &Reader<'_>,
    issuer_id: Uuid,
    mut each: impl FnMut(SerialStatus<'_>) -> Result<()>,
) -> Result<()> {
    const CERTIFICATES: &str =
        "SELECT serial, not_after, revoked_at, revocation_reason FROM certificates WHERE issuer_id = ?1";
    const ORPHANS: &str = "SELECT serial, not_after, revoked_at, reason FROM revocations
        WHERE issuer_id = ?1 AND is_orphan = 1";
    for sql in [CERTIFICATES, ORPHANS] {
        reader.for_each(sql, &[issuer_id.into()], |row| {
            each(SerialStatus {
                issuer_id,
                serial: row.octets(0)?,
                not_after: row.int(1)?,
                revoked: row.opt_int(2)?.zip(row.opt_int(3)?),
            })
        })?;
    }
    Ok(())
}

/// Which serials a page has: of one issuer, whose certificates have not ended, after a serial, in rising order.
#[derive(Clone, Debug)]
pub struct Page {
    /// Who issued them.
    pub issuer_id: Uuid,
    /// Their certificates end at or after this time, epoch milliseconds.
    pub not_after: i64,
    /// The last serial of the page before; nothing for the first.
    pub after: Vec<u8>,
    /// At most so many.
    pub limit: u32,
}

/// The serials of certificates.
pub fn issued(reader: &Reader<'_>, page: &Page) -> Result<Vec<Vec<u8>>> {
    const SQL: &str =
        "SELECT serial FROM certificates WHERE issuer_id = ?1 AND not_after >= ?2 AND serial > ?3
        ORDER BY serial LIMIT ?4";
    serials(reader, SQL, page)
}

/// The serials that are revoked.
pub fn revoked(reader: &Reader<'_>, page: &Page) -> Result<Vec<Vec<u8>>> {
    const SQL: &str =
        "SELECT serial FROM revocations WHERE issuer_id = ?1 AND not_after >= ?2 AND serial > ?3
        ORDER BY serial LIMIT ?4";
    serials(reader, SQL, page)
}

fn serials(reader: &Reader<'_>, sql: &'static str, page: &Page) -> Result<Vec<Vec<u8>>> {
    let values = [
        page.issuer_id.into(),
        page.not_after.into(),
        page.after.as_slice().into(),
        i64::from(page.limit).into(),
    ];
    let mut found = Vec::new();
    reader.for_each(sql, &values, |row| {
        found.push(row.blob(0)?);
        Ok(())
    })?;
    Ok(found)
}
