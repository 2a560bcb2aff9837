//! Certificates as they are looked up and listed.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use pki::crl::RevocationReason;
use pki::{Serial, SerialFault};
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

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
        /// Since when its key is suspected.
        invalidity_date: Option<Timestamp>,
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
    pub chain: Vec<Vec<u8>>,
}

/// Which certificates to list. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this issuer, by identifier or name (then of all its generations).
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

impl Authority {
    /// One certificate.
    pub async fn certificate(&self, principal: &Principal, reference: CertRef) -> Result<CertificateEntry> {
        todo!()
    }

    /// A page of certificates. A requester sees its own.
    pub async fn certificates(&self, principal: &Principal, filter: Filter) -> Result<CertificatePage> {
        todo!()
    }
}
