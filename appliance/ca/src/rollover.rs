//! Rolling a CA over to a new generation: a new key and certificate under the same name, while the old one goes on
//! answering for what it issued.

use std::sync::Arc;
use std::time::Duration;

use pki::{KeyAlgorithm, SignatureAlgorithm};

use crate::authority::Authority;
use crate::error::Result;
use crate::issuer::IssuerEntry;
use crate::permit::Principal;

/// A rollover that is asked for. What is absent stays as it was.
#[derive(Clone, Debug, Default)]
pub struct Rollover {
    /// The issuer, by identifier or name.
    pub issuer: String,
    /// The kind of the new key.
    pub key_algorithm: Option<KeyAlgorithm>,
    /// How the new generation signs.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds the new key.
    pub token: Option<String>,
    /// How long the new certificate lives; the profile's default when absent.
    pub validity: Option<Duration>,
}

impl Authority {
    /// Rolls an active issuer over. A root signs its new generation and both link certificates (RFC 4210 §4.4); an
    /// issuing CA is certified by its parent; one with a foreign authority above it becomes pending with a new request,
    /// and its old generation goes on issuing until the certificate is imported.
    pub async fn rollover(&self, principal: &Principal, request: Rollover) -> Result<Arc<IssuerEntry>> {
        todo!()
    }
}
