//! Revoking a certificate, putting it on hold, and releasing the hold (RFC 5280 §5.3.1).

use jiff::Timestamp;
use pki::Serial;
use pki::crl::RevocationReason;
use uuid::Uuid;

use crate::authority::Authority;
use crate::certificates::CertRef;
use crate::error::Result;
use crate::permit::Principal;

/// A revocation that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RevokeRequest {
    /// The certificate.
    pub certificate: CertRef,
    /// Why; `removeFromCRL` releases a hold.
    pub reason: RevocationReason,
    /// Since when its key is known or suspected to be bad.
    pub invalidity_date: Option<Timestamp>,
}

/// How a certificate stands after that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revoked {
    /// The certificate.
    pub id: Uuid,
    /// Its serial.
    pub serial: Serial,
    /// Who issued it.
    pub issuer_id: Uuid,
    /// Whether nothing was changed, because it stood that way already.
    pub already: bool,
    /// When it was revoked; absent after a hold was released.
    pub revoked_at: Option<Timestamp>,
    /// Why; absent after a hold was released.
    pub reason: Option<RevocationReason>,
}

impl Authority {
    /// Revokes a certificate. When this returns, OCSP says so, and the CRL is on its way. Revoking it again changes
    /// nothing, except that a hold may become final and that a reason may become `keyCompromise`.
    pub async fn revoke(&self, principal: &Principal, request: RevokeRequest) -> Result<Revoked> {
        todo!()
    }
}
