//! CRLs: full, one per issuer, on schedule and after revocations.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

/// A CRL, ready to be sent.
#[derive(Clone, Debug)]
pub struct PublishedCrl {
    /// DER of the CRL.
    pub der: Bytes,
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one comes at the latest.
    pub next_update: Timestamp,
    /// How many entries it has.
    pub entries: usize,
    /// A strong entity tag, with its quotes.
    pub etag: String,
}

impl Authority {
    /// The CRL of an issuer as it is published. From memory.
    pub fn current_crl(&self, issuer_id: Uuid) -> Option<Arc<PublishedCrl>> {
        todo!()
    }

    /// Publishes a new CRL of an issuer (by identifier or name) now.
    pub async fn publish_crl(&self, principal: &Principal, issuer: &str) -> Result<Arc<PublishedCrl>> {
        todo!()
    }

    /// Publishes the CRLs that are due, by the schedule or because something was revoked; gives how many.
    pub async fn publish_due_crls(&self) -> Result<usize> {
        todo!()
    }
}
