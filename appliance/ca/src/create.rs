//! Making a CA with a key made in a named token: a root that signs itself, or an issuing CA under a local one.

use std::sync::Arc;
use std::time::Duration;

use pki::{KeyAlgorithm, SignatureAlgorithm};

use crate::authority::Authority;
use crate::error::Result;
use crate::issuer::IssuerEntry;
use crate::permit::Principal;

/// A root to be made.
#[derive(Clone, Debug)]
pub struct CreateRoot {
    /// Its name: lower-case letters, digits and hyphens, 1 to 64 of them.
    pub name: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// The kind of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds the key; `software` for the software backend.
    pub token: String,
    /// How long its certificate lives; the profile's default when absent.
    pub validity: Option<Duration>,
    /// The profile of its certificate; `root` when absent.
    pub profile: Option<String>,
}

/// An issuing CA to be made under a local issuer.
#[derive(Clone, Debug)]
pub struct CreateIssuing {
    /// Its name: lower-case letters, digits and hyphens, 1 to 64 of them.
    pub name: String,
    /// The issuer above it, by identifier or name.
    pub parent: String,
    /// Its subject, RFC 4514.
    pub subject: String,
    /// The kind of its key.
    pub key_algorithm: KeyAlgorithm,
    /// How it signs; what goes with the key when absent.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The token that makes and holds the key; `software` for the software backend.
    pub token: String,
    /// How long its certificate lives; the profile's default when absent.
    pub validity: Option<Duration>,
    /// The profile of its certificate; `sub-ca` when absent.
    pub profile: Option<String>,
}

impl Authority {
    /// Makes a root. When this returns, it has its certificate, its first CRL and its OCSP responder.
    pub async fn create_root(&self, principal: &Principal, request: CreateRoot) -> Result<Arc<IssuerEntry>> {
        todo!()
    }

    /// Makes an issuing CA under a local issuer, likewise.
    pub async fn create_issuing(
        &self,
        principal: &Principal,
        request: CreateIssuing,
    ) -> Result<Arc<IssuerEntry>> {
        todo!()
    }
}
