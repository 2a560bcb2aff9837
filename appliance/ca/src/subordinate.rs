//! A CA under a foreign authority: its request is made here, its certificate comes back signed.

use std::sync::Arc;

use pki::{KeyAlgorithm, SignatureAlgorithm};

use crate::authority::Authority;
use crate::error::Result;
use crate::issuer::IssuerEntry;
use crate::permit::Principal;

/// A subordinate CA to be prepared.
#[derive(Clone, Debug)]
pub struct Subordinate {
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
}

/// The signed certificate of a pending CA.
#[derive(Clone, Debug)]
pub struct ImportChain {
    /// The pending issuer, by identifier or name.
    pub issuer: String,
    /// Its certificate and those above it, in any order: PEM, PKCS#7 or one certificate in DER.
    pub certificates: Vec<u8>,
}

impl Authority {
    /// Makes the key and the request; the issuer is pending, and its `csr` goes to the foreign authority.
    pub async fn subordinate_csr(
        &self,
        principal: &Principal,
        request: Subordinate,
    ) -> Result<Arc<IssuerEntry>> {
        todo!()
    }

    /// Takes the signed certificate of a pending issuer and makes it active.
    pub async fn import_certificate(
        &self,
        principal: &Principal,
        request: ImportChain,
    ) -> Result<Arc<IssuerEntry>> {
        todo!()
    }
}
