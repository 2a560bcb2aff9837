//! Renewing a certificate: the same profile, names and owner, a new validity, the same key or a new one.

use std::time::Duration;

use crate::authority::Authority;
use crate::certificates::CertRef;
use crate::error::Result;
use crate::issue::Issued;
use crate::permit::Principal;

/// A renewal that is asked for.
#[derive(Clone, Debug)]
pub struct RenewRequest {
    /// The certificate.
    pub certificate: CertRef,
    /// A request for a new key, PEM or DER; the same key is certified again when absent.
    pub csr: Option<Vec<u8>>,
    /// How long the new certificate shall live; as long as the old one when absent.
    pub validity: Option<Duration>,
}

impl Authority {
    /// Renews a certificate. The old one stays valid until it ends or is revoked.
    pub async fn renew(&self, principal: &Principal, request: RenewRequest) -> Result<Issued> {
        todo!()
    }
}
