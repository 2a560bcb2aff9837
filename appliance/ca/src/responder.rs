//! Delegated OCSP responders: one per issuer, renewed with overlap (RFC 6960 §4.2.2.2).

use jiff::Timestamp;
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

/// A responder.
#[derive(Clone, Debug)]
pub struct ResponderEntry {
    /// The identifier of its certificate.
    pub certificate_id: Uuid,
    /// Its certificate in DER.
    pub certificate: Vec<u8>,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last second of its validity.
    pub not_after: Timestamp,
}

impl Authority {
    /// The responder that answers for an issuer now.
    pub fn responder(&self, principal: &Principal, issuer_id: Uuid) -> Result<Option<ResponderEntry>> {
        todo!()
    }

    /// Makes and renews the responders that need it; gives how many.
    pub async fn renew_due_responders(&self) -> Result<usize> {
        todo!()
    }
}
