//! Keys that are made for somebody else: not kept, not listed, never signed with here.

use std::fmt;

use signer_wire::{KeyKind, KeyRef};
use zeroize::Zeroizing;

use super::pair::{self, Pair};
use crate::error::Error;
use crate::public_key;

/// A key pair that is about to be given away, in wiped memory.
pub struct SubjectKey {
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
}

impl SubjectKey {
    /// Makes one: RSA with 2048, 3072 or 4096 bits, ECDSA or Ed25519.
    pub fn generate(kind: KeyKind) -> Result<Self, Error> {
        match kind {
            KeyKind::Rsa(_) | KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 => {}
            KeyKind::MlDsa44 | KeyKind::MlDsa65 | KeyKind::MlDsa87 => {
                return Err(Error::Refused(format!("no keys of {kind} are made for others")));
            }
        }
        let pkcs8 = pair::generate(kind)?;
        let spki = Pair::from_pkcs8(&pkcs8).map_err(Error::Refused)?.spki()?;
        Ok(Self { pkcs8, spki })
    }

    /// DER PKCS#8 `PrivateKeyInfo`, not encrypted.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The name it would have: SHA-256 of its SubjectPublicKeyInfo.
    pub fn key(&self) -> KeyRef {
        public_key::fingerprint(&self.spki)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey")
            .field("key", &self.key())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::keys::Keys as _;
    use crate::software::Software;

    #[test]
    fn a_key_for_somebody_else_can_be_read_and_is_not_kept() {
        let software = Software::in_memory();
        for kind in [
            KeyKind::Rsa(2048),
            KeyKind::P256,
            KeyKind::P384,
            KeyKind::P521,
            KeyKind::Ed25519,
        ] {
            let key = SubjectKey::generate(kind).unwrap();
            assert!(software.find(&key.key()).is_none());
            assert!(!format!("{key:?}").contains("pkcs8"));
            let record = software.import("theirs", key.pkcs8()).unwrap();
            assert_eq!(
                (record.key, record.kind, record.spki.as_slice()),
                (key.key(), kind, key.spki())
            );
        }
    }

    #[test]
    fn kinds_that_nobody_asks_for_are_refused() {
        for kind in [KeyKind::MlDsa65, KeyKind::Rsa(1024), KeyKind::Rsa(8192)] {
            assert!(
                matches!(SubjectKey::generate(kind), Err(Error::Refused(_))),
                "{kind}"
            );
        }
    }
}
