//! Issuing a certificate for a request that somebody made.

use std::time::Duration;

use jiff::Timestamp;
use pki::Serial;
use pki::lint::Finding;
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

/// A certificate that is asked for.
#[derive(Clone, Debug, Default)]
pub struct IssueRequest {
    /// PKCS#10, PEM or DER.
    pub csr: Vec<u8>,
    /// The profile.
    pub profile: String,
    /// The issuer, by identifier or name; may be left out when only one comes into question.
    pub issuer: Option<String>,
    /// How long it shall live; the profile's default when absent.
    pub validity: Option<Duration>,
    /// The security identifier of the holder's account in Active Directory. Only from an admin or operator, who vouches
    /// for it.
    pub microsoft_sid: Option<String>,
}

/// A certificate that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its identifier.
    pub id: Uuid,
    /// The order it came of.
    pub order_id: Uuid,
    /// Its serial.
    pub serial: Serial,
    /// Who issued it.
    pub issuer_id: Uuid,
    /// Under which profile.
    pub profile: String,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
    /// The certificate.
    pub certificate_der: Vec<u8>,
    /// The certificates above it, nearest first, without a self-signed root.
    pub chain_der: Vec<Vec<u8>>,
    /// What the lint remarked.
    pub findings: Vec<Finding>,
}

impl Authority {
    /// Issues a certificate. A refusal is recorded, and explained by its order's identifier.
    pub async fn issue(&self, principal: &Principal, request: IssueRequest) -> Result<Issued> {
        todo!()
    }
}
