//! Serials that are revoked without a certificate: something was signed, or may have been, and was never recorded. What is known
//! of one is shown, so that nobody who meets the serial elsewhere finds nothing about it here.

use jiff::Timestamp;
use pki::Serial;
use pki::crl::RevocationReason;
use uuid::Uuid;

use crate::authority::Authority;
use crate::certificates::reason_of;
use crate::clock::from_millis;
use crate::error::{Error, Result};
use crate::permit;
use crate::principal::Principal;

/// A serial that is revoked without a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NeverRecorded {
    /// The serial.
    pub serial: Serial,
    /// Whose signature it would be.
    pub issuer_id: Uuid,
    /// The name of that CA.
    pub issuer_name: String,
    /// Since when it is revoked.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
    /// When a certificate with this serial would end.
    pub not_after: Timestamp,
}

impl Authority {
    /// What is known of a serial that is revoked without a certificate, of each issuer that has it so.
    pub async fn never_recorded(&self, principal: &Principal, serial: Serial) -> Result<Vec<NeverRecorded>> {
        permit::check_reads_system(principal)?;
        let found = self.revoked_without_certificate(serial).await?;
        if found.is_empty() {
            return Err(Error::not_found("revocation without a certificate", serial));
        }
        Ok(found)
    }

    pub(crate) async fn revoked_without_certificate(&self, serial: Serial) -> Result<Vec<NeverRecorded>> {
        let issuers = self.issuers();
        let ids: Vec<Uuid> = issuers.iter().map(|issuer| issuer.id).collect();
        let read = self.inner().store.read(move |reader| {
            let mut found = Vec::new();
            for id in ids {
                found.extend(store::revocations::find(reader, id, serial.as_bytes())?);
            }
            Ok(found)
        });
        let name_of = |id| {
            let issuer = issuers.iter().find(|issuer| issuer.id == id);
            issuer.map(|issuer| issuer.name.clone()).unwrap_or_default()
        };
        let rows = read.await?.into_iter().filter(|row| row.is_orphan);
        Ok(rows
            .map(|row| NeverRecorded {
                serial,
                issuer_id: row.issuer_id,
                issuer_name: name_of(row.issuer_id),
                revoked_at: from_millis(row.revoked_at),
                reason: reason_of(row.reason),
                not_after: from_millis(row.not_after),
            })
            .collect())
    }
}

/// Why nothing can be done with the certificate of such a serial.
pub(crate) fn refusal(known: &NeverRecorded) -> Error {
    let message = format!(
        "there is no certificate {serial}: the CA {issuer} signed one under this serial, or may have, and it was never recorded; the serial is \
         revoked since {at} and stays so",
        serial = known.serial,
        issuer = known.issuer_name,
        at = known.revoked_at
    );
    Error::conflict("certificate_never_recorded", message)
}
