//! Verifying signatures.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use pki::{KeyAlgorithm, PublicKey};

use super::{Algorithm, Header, Jws, JwsFault};
use crate::jwk::{Curve, Jwk, KeyFault, KeyUse};

/// A key that verifies signatures.
#[derive(Clone, Debug)]
pub struct VerifyKey {
    key: PublicKey,
    curve: Option<Curve>,
    /// The one algorithm that the key's `alg` allows.
    only: Option<Algorithm>,
}

/// What a signature proved; only [`VerifyKey::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    header: Header,
    payload: Vec<u8>,
}

impl Verified {
    /// The header that was signed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The octets that were signed.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl VerifyKey {
    /// Takes a key for signatures; one whose `use` or `alg` says otherwise is refused.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JwsFault> {
        if matches!(jwk.key_use, Some(KeyUse::Encryption | KeyUse::X509Svid)) {
            return Err(JwsFault::KeyMismatch);
        }
        let only = match &jwk.alg {
            None => None,
            Some(name) => Some(Algorithm::from_name(name).ok_or(JwsFault::KeyMismatch)?),
        };
        let key = Self::from_spki_der(&jwk.to_spki_der()).map_err(|_| JwsFault::KeyMismatch)?;
        if only.is_some_and(|only| only.curve() != key.curve) {
            return Err(JwsFault::KeyMismatch);
        }
        Ok(Self { only, ..key })
    }

    /// Takes the key of a SubjectPublicKeyInfo.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyFault> {
        let key = PublicKey::from_spki_der(spki)?;
        let curve = match key.algorithm() {
            KeyAlgorithm::Rsa(_) => None,
            KeyAlgorithm::P256 => Some(Curve::P256),
            KeyAlgorithm::P384 => Some(Curve::P384),
            KeyAlgorithm::P521 => Some(Curve::P521),
            KeyAlgorithm::Ed25519 => Some(Curve::Ed25519),
            _ => return Err(KeyFault::Unsupported),
        };
        Ok(Self {
            key,
            curve,
            only: None,
        })
    }

    /// Verifies a signature and hands out what it proves.
    pub fn verify(&self, jws: &Jws) -> Result<Verified, JwsFault> {
        let algorithm = jws.header.alg;
        if algorithm.curve() != self.curve || self.only.is_some_and(|only| only != algorithm) {
            return Err(JwsFault::KeyMismatch);
        }
        UnparsedPublicKey::new(verifier(algorithm), self.key.key_bits())
            .verify(jws.signing_input.as_bytes(), &jws.signature)
            .map_err(|_| JwsFault::BadSignature)?;
        Ok(Verified {
            header: jws.header.clone(),
            payload: jws.payload.clone(),
        })
    }
}

fn verifier(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &ECDSA_P521_SHA512_FIXED,
        Algorithm::EdDsa => &ED25519,
    }
}
