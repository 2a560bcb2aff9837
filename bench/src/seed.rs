//! Certificates and revocations by the million, written straight into the store of an appliance that does not run.
//!
//! Issuing ten million would take hours and change nothing of what is measured: start-up, the index of statuses, OCSP and CRLs
//! look at serials, ends of validity and revocations. A seeded certificate therefore has a real row in every index of the
//! store, and one octet in the place of its DER. Serials are spread evenly over their range and written in rising order.

use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use pki::Serial;
use store::certificates::CertificateRow;
use store::revocations::RevocationRow;
use store::{Store, StoreConfig};
use uuid::Uuid;

/// Rows in one transaction.
const CHUNK: u64 = 20_000;
/// The same on PostgreSQL, which ends a transaction in which nothing happens while so many rows are put together.
pub(crate) const SHARED_CHUNK: u64 = 500;
/// A year and a little: the seeded certificates end after every measurement.
const LIFE: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What to write.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seed {
    /// Certificates that are valid.
    pub(crate) certificates: u64,
    /// Serials that are revoked and of which no certificate is known.
    pub(crate) revoked: u64,
}

/// The serial of a seeded certificate or revocation: `number` of `of`.
pub(crate) fn serial(of: u64, number: u64, is_revoked: bool) -> Serial {
    let place = number * ((1_u64 << 61) / of.max(1));
    let kind: u64 = if is_revoked { 0b011 } else { 0b010 };
    // A multiplication scatters what is behind, so that nothing can be read from a neighbour.
    let behind = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Serial::from_random((u128::from(kind << 61 | place) << 64 | u128::from(behind)).to_be_bytes())
}

/// Writes it for the issuer of this name.
pub(crate) async fn write(database: &Path, issuer: &str, seed: Seed, now: Timestamp) -> Result<()> {
    write_into(&StoreConfig::new(database), issuer, seed, now).await
}

/// The same into any store.
pub(crate) async fn write_into(config: &StoreConfig, issuer: &str, seed: Seed, now: Timestamp) -> Result<()> {
    let store = Store::open(config)?;
    let chunk = if store.is_shared() { SHARED_CHUNK } else { CHUNK };
    let issuers = store.read(store::issuers::all).await?;
    let found = issuers
        .into_iter()
        .find(|row| row.name == issuer && row.state == "active");
    let issuer_id = found.context("the issuer to seed for")?.id;
    for start in (0..seed.certificates).step_by(usize::try_from(chunk)?) {
        let numbers = start..seed.certificates.min(start + chunk);
        let job = move |tx: &store::Tx<'_>| {
            for number in numbers.clone() {
                let row = certificate(issuer_id, serial(seed.certificates, number, false), number, now);
                store::certificates::insert(tx, &row, &[])?;
            }
            Ok(())
        };
        store.write(job).await?;
    }
    for start in (0..seed.revoked).step_by(usize::try_from(chunk)?) {
        let numbers = start..seed.revoked.min(start + chunk);
        let job = move |tx: &store::Tx<'_>| {
            for number in numbers.clone() {
                let row = revocation(issuer_id, serial(seed.revoked, number, true), number, now);
                store::revocations::put(tx, &row)?;
            }
            Ok(())
        };
        store.write(job).await?;
    }
    Ok(())
}

fn certificate(issuer_id: Uuid, serial: Serial, number: u64, now: Timestamp) -> CertificateRow {
    CertificateRow {
        id: Uuid::now_v7(),
        issuer_id,
        serial: serial.as_bytes().to_vec(),
        profile: "tls-server".to_owned(),
        subject: format!("CN={number}.seed.chancery.test"),
        der: vec![0],
        not_before: now.as_millisecond(),
        not_after: (now + LIFE).as_millisecond(),
        requester: "seed".to_owned(),
        order_id: Uuid::nil(),
        replaces: None,
        created_at: now.as_millisecond(),
        revoked_at: None,
        revocation_reason: None,
    }
}

/// A reason on three of four entries, as in the comparisons with other programs.
fn revocation(issuer_id: Uuid, serial: Serial, number: u64, now: Timestamp) -> RevocationRow {
    RevocationRow {
        issuer_id,
        serial: serial.as_bytes().to_vec(),
        revoked_at: now.as_millisecond(),
        reason: i64::try_from(number % 4).unwrap_or(0),
        invalidity_date: None,
        not_after: (now + LIFE).as_millisecond(),
        is_orphan: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_rise_and_differ() {
        let serials: Vec<Serial> = (0..1000).map(|number| serial(1000, number, false)).collect();
        assert!(serials.is_sorted() && serials.windows(2).all(|pair| pair.first() != pair.last()));
        assert_ne!(serial(1000, 5, false), serial(1000, 5, true));
    }
}
