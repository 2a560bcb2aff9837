//! The keys that the signer holds, and what they are used for.

use pki::KeyFingerprint;

use crate::authority::Authority;
use crate::error::Result;
use crate::permit::Principal;

/// A key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyEntry {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fingerprint: KeyFingerprint,
    /// Its label in the token.
    pub label: String,
    /// The kind of key, as text.
    pub algorithm: String,
    /// The tokens that hold it.
    pub tokens: Vec<String>,
    /// Whether it can be taken out of the token.
    pub extractable: bool,
    /// Whether its value can be read.
    pub sensitive: bool,
    /// Whether it was made in the token.
    pub local: bool,
    /// What uses it: `issuer NAME GENERATION` or `responder of NAME GENERATION`.
    pub used_by: Vec<String>,
}

impl Authority {
    /// All keys of the signer.
    pub async fn keys(&self, principal: &Principal) -> Result<Vec<KeyEntry>> {
        todo!()
    }
}
