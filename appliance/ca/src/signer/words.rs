//! The certificate layer's words for keys and algorithms, in the signing service's.
//!
//! The two crates below share no types on purpose: the signing service knows nothing of certificates.

use pki::{KeyAlgorithm, KeyFingerprint, SignatureAlgorithm};
use signer_wire::{Digest, Input, KeyKind, KeyRef, MAX_MESSAGE, Scheme};

pub(crate) fn key_kind(algorithm: KeyAlgorithm) -> KeyKind {
    match algorithm {
        KeyAlgorithm::Rsa(bits) => KeyKind::Rsa(bits),
        KeyAlgorithm::P256 => KeyKind::P256,
        KeyAlgorithm::P384 => KeyKind::P384,
        KeyAlgorithm::P521 => KeyKind::P521,
        KeyAlgorithm::Ed25519 => KeyKind::Ed25519,
        KeyAlgorithm::MlDsa44 => KeyKind::MlDsa44,
        KeyAlgorithm::MlDsa65 => KeyKind::MlDsa65,
        KeyAlgorithm::MlDsa87 => KeyKind::MlDsa87,
    }
}

pub(crate) fn scheme(algorithm: SignatureAlgorithm) -> Scheme {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256 => Scheme::RsaPkcs1Sha256,
        SignatureAlgorithm::RsaPkcs1Sha384 => Scheme::RsaPkcs1Sha384,
        SignatureAlgorithm::RsaPkcs1Sha512 => Scheme::RsaPkcs1Sha512,
        SignatureAlgorithm::RsaPssSha256 => Scheme::RsaPssSha256,
        SignatureAlgorithm::RsaPssSha384 => Scheme::RsaPssSha384,
        SignatureAlgorithm::RsaPssSha512 => Scheme::RsaPssSha512,
        SignatureAlgorithm::EcdsaSha256 => Scheme::EcdsaSha256,
        SignatureAlgorithm::EcdsaSha384 => Scheme::EcdsaSha384,
        SignatureAlgorithm::EcdsaSha512 => Scheme::EcdsaSha512,
        SignatureAlgorithm::Ed25519 => Scheme::Ed25519,
        SignatureAlgorithm::MlDsa44 => Scheme::MlDsa44,
        SignatureAlgorithm::MlDsa65 => Scheme::MlDsa65,
        SignatureAlgorithm::MlDsa87 => Scheme::MlDsa87,
    }
}

pub(crate) fn key_ref(fingerprint: KeyFingerprint) -> KeyRef {
    KeyRef::new(fingerprint.0)
}

/// What travels to the signer: the digest where one is signed, so that a CRL of any length costs 64 octets.
pub(crate) fn input(algorithm: SignatureAlgorithm, message: &[u8]) -> Option<Input> {
    match algorithm.digest() {
        Some(digest) => Digest::new(&digest.digest(message)).map(Input::Digest),
        None => (message.len() <= MAX_MESSAGE).then(|| Input::Message(message.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn both_layers_use_the_same_text() {
        for kind in KeyKind::GENERATED {
            let algorithm: KeyAlgorithm = kind.to_string().parse().unwrap();
            assert_eq!(key_kind(algorithm), kind);
            let default = SignatureAlgorithm::default_for(algorithm);
            assert!(scheme(default).is_usable_with(kind));
        }
        for wire in Scheme::ALL {
            let algorithm: SignatureAlgorithm = wire.to_string().parse().unwrap();
            assert_eq!(scheme(algorithm), wire);
        }
    }

    #[test]
    fn a_digest_travels_where_one_is_signed() {
        let message = vec![7; MAX_MESSAGE + 1];
        let digest = input(SignatureAlgorithm::EcdsaSha384, &message).unwrap();
        assert!(matches!(digest, Input::Digest(digest) if digest.as_bytes().len() == 48));
        assert!(
            matches!(input(SignatureAlgorithm::Ed25519, b"hello"), Some(Input::Message(m)) if m == b"hello")
        );
        assert_eq!(input(SignatureAlgorithm::MlDsa65, &message), None);
    }
}
