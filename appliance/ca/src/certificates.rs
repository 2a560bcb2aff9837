//! Certificates as they are looked up and listed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use pki::crl::RevocationReason;
use pki::{Serial, SerialFault};
use store::certificates::{CertificateRow, Status};
use uuid::Uuid;

use crate::authority::Authority;
use crate::clock::from_millis;
use crate::error::{Error, Refusal, Result};
use crate::issuer::Chain;
use crate::never_recorded;
use crate::principal::Principal;

/// How a certificate is named: a UUID with its hyphens, or a serial.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CertRef {
    /// By identifier.
    Id(Uuid),
    /// By serial.
    Serial(Serial),
}

impl FromStr for CertRef {
    type Err = SerialFault;

    /// A serial of 16 octets has as many digits as a UUID, so a UUID is known by its hyphens.
    fn from_str(text: &str) -> std::result::Result<Self, SerialFault> {
        match Uuid::try_parse(text) {
            Ok(id) if text.contains('-') => Ok(Self::Id(id)),
            _ => text.parse().map(Self::Serial),
        }
    }
}

impl fmt::Display for CertRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Serial(serial) => serial.fmt(f),
        }
    }
}

/// Where a certificate stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateStatus {
    /// Not revoked, not expired.
    Valid,
    /// Its time is over, and it was not revoked.
    Expired,
    /// Revoked, or on hold.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevocationReason,
    },
}

impl CertificateStatus {
    /// `valid`, `expired` or `revoked`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked { .. } => "revoked",
        }
    }
}

/// One certificate.
#[derive(Clone, Debug)]
pub struct CertificateEntry {
    /// Its identifier.
    pub id: Uuid,
    /// Its serial.
    pub serial: Serial,
    /// Who issued it.
    pub issuer_id: Uuid,
    /// The name of that CA.
    pub issuer_name: String,
    /// Under which profile.
    pub profile: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// Where it stands.
    pub status: CertificateStatus,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
    /// Whose it is.
    pub requester: String,
    /// The order it came of.
    pub order_id: Uuid,
    /// The certificate it renews.
    pub replaces: Option<Uuid>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// The certificate.
    pub der: Vec<u8>,
    /// The certificates above it, nearest first, without a self-signed root.
    pub chain: Arc<Chain>,
}

/// Which certificates to list. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this issuer, by identifier or name (then of its active generation).
    pub issuer: Option<String>,
    /// Under this profile.
    pub profile: Option<String>,
    /// `valid`, `revoked` or `expired`.
    pub status: Option<String>,
    /// With this subject alternative name, or with this text in the subject.
    pub name: Option<String>,
    /// Ending before this time.
    pub expires_before: Option<Timestamp>,
    /// Of this requester.
    pub requester: Option<String>,
    /// At most so many; 100 when absent, 1000 at most.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub cursor: Option<Uuid>,
}

/// A page of certificates in the order of issuance.
#[derive(Clone, Debug)]
pub struct CertificatePage {
    /// The certificates.
    pub items: Vec<CertificateEntry>,
    /// Where the next page begins; absent on the last page.
    pub next: Option<Uuid>,
}

/// Certificates on a page when nothing else is said, and at most.
const PAGE: u32 = 100;
const MOST: u32 = 1000;

impl Authority {
    /// One certificate.
    pub async fn certificate(&self, principal: &Principal, reference: CertRef) -> Result<CertificateEntry> {
        let row = self.certificate_row(principal, reference).await?;
        self.certificate_entry(row)
    }

    /// A page of certificates. A requester sees its own.
    pub async fn certificates(&self, principal: &Principal, filter: Filter) -> Result<CertificatePage> {
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, MOST);
        let issuer_id = filter
            .issuer
            .as_deref()
            .map(|issuer| self.inner().registry.resolve(issuer))
            .transpose()?;
        let status = filter.status.as_deref().map(|text| {
            let message = format!("`{text}` is no status: write valid, revoked or expired");
            Status::from_text(text)
                .ok_or_else(|| Error::from(Refusal::of_requester("status_invalid", message)))
        });
        let own = (!principal.sees_everything()).then(|| principal.name.clone());
        if let (Some(own), Some(asked)) = (&own, &filter.requester)
            && own != asked
        {
            return Ok(CertificatePage {
                items: Vec::new(),
                next: None,
            });
        }
        let wanted = store::certificates::Filter {
            issuer_id: issuer_id.map(|issuer| issuer.entry().id),
            profile: filter.profile,
            status: status.transpose()?,
            name: filter.name,
            expires_before: filter.expires_before.map(Timestamp::as_millisecond),
            requester: own.or(filter.requester),
            after: filter.cursor,
            now: self.inner().clock.now().as_millisecond(),
            // One more tells whether there is another page.
            limit: limit + 1,
            ..store::certificates::Filter::default()
        };
        let mut rows = self
            .inner()
            .store
            .read(move |reader| store::certificates::list(reader, &wanted))
            .await?;
        let has_more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        if has_more {
            rows.pop();
        }
        let next = rows.last().map(|row| row.id).filter(|_| has_more);
        let items = rows
            .into_iter()
            .map(|row| self.certificate_entry(row))
            .collect::<Result<_>>()?;
        Ok(CertificatePage { items, next })
    }

    /// The row of a certificate that the caller may see. What belongs to others does not exist for a requester.
    pub(crate) async fn certificate_row(
        &self,
        principal: &Principal,
        reference: CertRef,
    ) -> Result<CertificateRow> {
        let read = self.inner().store.read(move |reader| match reference {
            CertRef::Id(id) => Ok(store::certificates::find(reader, id)?.into_iter().collect()),
            CertRef::Serial(serial) => store::certificates::with_serial(reader, serial.as_bytes()),
        });
        let mut rows: Vec<CertificateRow> = read.await?;
        rows.retain(|row| principal.sees_everything() || row.requester == principal.name);
        if rows.len() > 1 {
            let message =
                format!("several issuers have a certificate {reference}: name it by its identifier");
            return Err(Error::conflict("serial_ambiguous", message));
        }
        if let Some(row) = rows.pop() {
            return Ok(row);
        }
        if let CertRef::Serial(serial) = reference
            && principal.sees_everything()
            && let [known, ..] = self.revoked_without_certificate(serial).await?.as_slice()
        {
            return Err(never_recorded::refusal(known));
        }
        Err(Error::not_found("certificate", reference))
    }

    fn certificate_entry(&self, row: CertificateRow) -> Result<CertificateEntry> {
        let issuer = self.inner().registry.find(row.issuer_id);
        let issuer = issuer
            .ok_or_else(|| Error::internal("a certificate of no issuer"))?
            .entry();
        let status = match (row.revoked_at, row.revocation_reason) {
            (Some(at), Some(reason)) => CertificateStatus::Revoked {
                at: from_millis(at),
                reason: reason_of(reason),
            },
            _ if row.not_after < self.inner().clock.now().as_millisecond() => CertificateStatus::Expired,
            _ => CertificateStatus::Valid,
        };
        Ok(CertificateEntry {
            id: row.id,
            serial: Serial::from_unsigned(&row.serial).map_err(Error::internal)?,
            issuer_id: row.issuer_id,
            issuer_name: issuer.name.clone(),
            profile: row.profile,
            subject: row.subject,
            status,
            not_before: from_millis(row.not_before),
            not_after: from_millis(row.not_after),
            requester: row.requester,
            order_id: row.order_id,
            replaces: row.replaces,
            created_at: from_millis(row.created_at),
            der: row.der,
            chain: issuer.chain_for_leaf(),
        })
    }
}

/// A stored reason; the store holds only numbers of RFC 5280.
pub(crate) fn reason_of(code: i64) -> RevocationReason {
    u8::try_from(code)
        .ok()
        .and_then(RevocationReason::from_code)
        .unwrap_or(RevocationReason::Unspecified)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn a_serial_of_sixteen_octets_is_not_taken_for_a_uuid() {
        let id = "0193b3c2-7f00-7000-8000-000000000001";
        assert_eq!(id.parse::<CertRef>().unwrap(), CertRef::Id(id.parse().unwrap()));
        let serial = id.replace('-', "");
        assert!(matches!(serial.parse::<CertRef>().unwrap(), CertRef::Serial(_)));
        assert!(matches!("5A:01".parse::<CertRef>().unwrap(), CertRef::Serial(_)));
        assert!("no".parse::<CertRef>().is_err());
    }
}
