//! The appliance's own server certificate, from its own CA through the one door.

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::authority::Authority;
use crate::error::Result;

/// A server certificate and its key.
#[derive(Debug)]
pub struct TlsCertificate {
    /// The certificate.
    pub certificate_der: Vec<u8>,
    /// The certificates above it, nearest first, without a self-signed root.
    pub chain_der: Vec<Vec<u8>>,
    /// Its private key: DER PKCS#8, P-256. Made in memory; where it is kept is the caller's to decide.
    pub key_pkcs8: Zeroizing<Vec<u8>>,
    /// When it must be renewed: after two thirds of its life.
    pub renew_at: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

impl Authority {
    /// Issues a server certificate for these host names and addresses, from `issuer` (by identifier or name) or the only
    /// one that comes into question.
    pub async fn tls_certificate(&self, names: &[String], issuer: Option<&str>) -> Result<TlsCertificate> {
        todo!()
    }
}
