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
