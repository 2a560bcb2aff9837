//! Signature algorithms, and which key each goes with.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature as verification;
use der::Encode;
use spki::AlgorithmIdentifierOwned;

use crate::key::KeyAlgorithm;

/// A signature algorithm as named in an AlgorithmIdentifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SignatureAlgorithm {
    /// sha256WithRSAEncryption, RFC 8017 §8.2.
    RsaPkcs1Sha256,
    /// sha384WithRSAEncryption.
    RsaPkcs1Sha384,
    /// sha512WithRSAEncryption.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 of the same and a salt of 32 octets (RFC 4055 §3.1).
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 octets.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 octets.
    RsaPssSha512,
    /// ecdsa-with-SHA256, RFC 5758 §3.2.
    EcdsaSha256,
    /// ecdsa-with-SHA384.
    EcdsaSha384,
    /// ecdsa-with-SHA512.
    EcdsaSha512,
    /// Ed25519, RFC 8410.
    Ed25519,
    /// ML-DSA-44, RFC 9881.
    MlDsa44,
    /// ML-DSA-65, RFC 9881.
    MlDsa65,
    /// ML-DSA-87, RFC 9881.
    MlDsa87,
}

/// The digest an RSA or ECDSA signature is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// The digest of `message`.
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        aws_lc_rs::digest::digest(self.algorithm(), message)
            .as_ref()
            .to_vec()
    }

    /// The digest of a message that comes in pieces.
    pub fn digest_pieces<'a>(self, pieces: impl Iterator<Item = &'a [u8]>) -> MessageDigest {
        let mut context = aws_lc_rs::digest::Context::new(self.algorithm());
        pieces.for_each(|piece| context.update(piece));
        MessageDigest(context.finish())
    }

    fn algorithm(self) -> &'static aws_lc_rs::digest::Algorithm {
        match self {
            Self::Sha256 => &aws_lc_rs::digest::SHA256,
            Self::Sha384 => &aws_lc_rs::digest::SHA384,
            Self::Sha512 => &aws_lc_rs::digest::SHA512,
        }
    }
}

/// The digest of a message, with the algorithm that made it.
#[derive(Clone, Debug)]
pub struct MessageDigest(pub(crate) aws_lc_rs::digest::Digest);

impl MessageDigest {
    /// Its octets.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// The text names no signature algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no signature algorithm known here")]
pub struct UnknownSignatureAlgorithm(String);

type A = SignatureAlgorithm;

/// Text, and the whole AlgorithmIdentifier.
const TABLE: &[(A, &str, &[u8])] = &[
    (A::RsaPkcs1Sha256, "rsa-pkcs1-sha256", &rsa_pkcs1(0x0b)),
    (A::RsaPkcs1Sha384, "rsa-pkcs1-sha384", &rsa_pkcs1(0x0c)),
    (A::RsaPkcs1Sha512, "rsa-pkcs1-sha512", &rsa_pkcs1(0x0d)),
    (A::RsaPssSha256, "rsa-pss-sha256", &rsa_pss(0x01, 0x20)),
    (A::RsaPssSha384, "rsa-pss-sha384", &rsa_pss(0x02, 0x30)),
    (A::RsaPssSha512, "rsa-pss-sha512", &rsa_pss(0x03, 0x40)),
    (A::EcdsaSha256, "ecdsa-sha256", &ecdsa(0x02)),
    (A::EcdsaSha384, "ecdsa-sha384", &ecdsa(0x03)),
    (A::EcdsaSha512, "ecdsa-sha512", &ecdsa(0x04)),
    (A::Ed25519, "ed25519", &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70]),
    (A::MlDsa44, "ml-dsa-44", &ml_dsa(0x11)),
    (A::MlDsa65, "ml-dsa-65", &ml_dsa(0x12)),
    (A::MlDsa87, "ml-dsa-87", &ml_dsa(0x13)),
];

const fn rsa_pkcs1(last: u8) -> [u8; 15] {
    [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last, 0x05, 0x00,
    ]
}

#[rustfmt::skip]
const fn rsa_pss(hash: u8, salt: u8) -> [u8; 67] {
    [
        0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34,
        0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash, 0x05, 0x00,
        0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
        0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash, 0x05, 0x00,
        0xa2, 0x03, 0x02, 0x01, salt,
    ]
}

const fn ecdsa(last: u8) -> [u8; 12] {
    [
        0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last,
    ]
}

const fn ml_dsa(last: u8) -> [u8; 13] {
    [
        0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, last,
    ]
}

impl SignatureAlgorithm {
    /// What a key signs with when nothing else is said; the digest matches the key's strength.
    pub fn default_for(key: KeyAlgorithm) -> Self {
        match key {
            KeyAlgorithm::Rsa(bits) if bits >= 4096 => Self::RsaPkcs1Sha512,
            KeyAlgorithm::Rsa(bits) if bits >= 3072 => Self::RsaPkcs1Sha384,
            KeyAlgorithm::Rsa(_) => Self::RsaPkcs1Sha256,
            KeyAlgorithm::P256 => Self::EcdsaSha256,
            KeyAlgorithm::P384 => Self::EcdsaSha384,
            KeyAlgorithm::P521 => Self::EcdsaSha512,
            KeyAlgorithm::Ed25519 => Self::Ed25519,
            KeyAlgorithm::MlDsa44 => Self::MlDsa44,
            KeyAlgorithm::MlDsa65 => Self::MlDsa65,
            KeyAlgorithm::MlDsa87 => Self::MlDsa87,
        }
    }

    /// Whether it is one of ECDSA.
    pub fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512)
    }

    /// Whether such a key can sign this way. ECDSA ties the digest to the curve, as FIPS 186-5 recommends.
    pub fn is_usable_with(self, key: KeyAlgorithm) -> bool {
        match self {
            Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512
            | Self::RsaPssSha256
            | Self::RsaPssSha384
            | Self::RsaPssSha512 => matches!(key, KeyAlgorithm::Rsa(_)),
            _ => Self::default_for(key) == self,
        }
    }

    /// The digest the signature is made over; nothing for algorithms that sign the message itself.
    pub fn digest(self) -> Option<DigestAlgorithm> {
        match self {
            Self::RsaPkcs1Sha256 | Self::RsaPssSha256 | Self::EcdsaSha256 => Some(DigestAlgorithm::Sha256),
            Self::RsaPkcs1Sha384 | Self::RsaPssSha384 | Self::EcdsaSha384 => Some(DigestAlgorithm::Sha384),
            Self::RsaPkcs1Sha512 | Self::RsaPssSha512 | Self::EcdsaSha512 => Some(DigestAlgorithm::Sha512),
            Self::Ed25519 | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => None,
        }
    }

    /// The AlgorithmIdentifier, encoded.
    pub fn identifier_der(self) -> &'static [u8] {
        TABLE
            .iter()
            .find(|(algorithm, ..)| *algorithm == self)
            .map_or(&[], |(_, _, der)| der)
    }

    /// The algorithm of an encoded AlgorithmIdentifier.
    pub fn from_identifier_der(identifier: &[u8]) -> Option<Self> {
        TABLE
            .iter()
            .find(|(_, _, der)| *der == identifier)
            .map(|(algorithm, ..)| *algorithm)
    }

    /// The algorithm of an AlgorithmIdentifier.
    pub fn from_identifier(identifier: &AlgorithmIdentifierOwned) -> Result<Self, UnknownSignatureAlgorithm> {
        let unknown = || UnknownSignatureAlgorithm(identifier.oid.to_string());
        let der = identifier.to_der().map_err(|_| unknown())?;
        Self::from_identifier_der(&der).ok_or_else(unknown)
    }

    /// How a signature over a whole message is verified; the choice among curves is the key's, which goes with exactly
    /// one ECDSA algorithm here except when a foreign certificate mixes them.
    pub(crate) fn verifier(
        self,
        key: KeyAlgorithm,
    ) -> Option<&'static dyn verification::VerificationAlgorithm> {
        Some(match (self, key) {
            (Self::RsaPkcs1Sha256, KeyAlgorithm::Rsa(_)) => &verification::RSA_PKCS1_2048_8192_SHA256,
            (Self::RsaPkcs1Sha384, KeyAlgorithm::Rsa(_)) => &verification::RSA_PKCS1_2048_8192_SHA384,
            (Self::RsaPkcs1Sha512, KeyAlgorithm::Rsa(_)) => &verification::RSA_PKCS1_2048_8192_SHA512,
            (Self::RsaPssSha256, KeyAlgorithm::Rsa(_)) => &verification::RSA_PSS_2048_8192_SHA256,
            (Self::RsaPssSha384, KeyAlgorithm::Rsa(_)) => &verification::RSA_PSS_2048_8192_SHA384,
            (Self::RsaPssSha512, KeyAlgorithm::Rsa(_)) => &verification::RSA_PSS_2048_8192_SHA512,
            (Self::EcdsaSha256, KeyAlgorithm::P256) => &verification::ECDSA_P256_SHA256_ASN1,
            (Self::EcdsaSha384, KeyAlgorithm::P256) => &verification::ECDSA_P256_SHA384_ASN1,
            (Self::EcdsaSha512, KeyAlgorithm::P256) => &verification::ECDSA_P256_SHA512_ASN1,
            (Self::EcdsaSha256, KeyAlgorithm::P384) => &verification::ECDSA_P384_SHA256_ASN1,
            (Self::EcdsaSha384, KeyAlgorithm::P384) => &verification::ECDSA_P384_SHA384_ASN1,
            (Self::EcdsaSha512, KeyAlgorithm::P384) => &verification::ECDSA_P384_SHA512_ASN1,
            (Self::EcdsaSha256, KeyAlgorithm::P521) => &verification::ECDSA_P521_SHA256_ASN1,
            (Self::EcdsaSha384, KeyAlgorithm::P521) => &verification::ECDSA_P521_SHA384_ASN1,
            (Self::EcdsaSha512, KeyAlgorithm::P521) => &verification::ECDSA_P521_SHA512_ASN1,
            (Self::Ed25519, KeyAlgorithm::Ed25519) => &verification::ED25519,
            (Self::MlDsa44, KeyAlgorithm::MlDsa44) => &verification::ML_DSA_44,
            (Self::MlDsa65, KeyAlgorithm::MlDsa65) => &verification::ML_DSA_65,
            (Self::MlDsa87, KeyAlgorithm::MlDsa87) => &verification::ML_DSA_87,
            _ => return None,
        })
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            TABLE
                .iter()
                .find(|(algorithm, ..)| algorithm == self)
                .map_or("", |(_, text, _)| text),
        )
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = UnknownSignatureAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let row = TABLE.iter().find(|(_, name, _)| *name == text);
        row.map(|(algorithm, ..)| *algorithm)
            .ok_or_else(|| UnknownSignatureAlgorithm(text.chars().take(60).collect()))
    }
}

impl TryFrom<String> for SignatureAlgorithm {
    type Error = UnknownSignatureAlgorithm;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SignatureAlgorithm> for String {
    fn from(algorithm: SignatureAlgorithm) -> Self {
        algorithm.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]
    use super::*;
    use der::Decode;

    #[test]
    fn every_identifier_is_der_and_comes_back() {
        for (algorithm, text, der) in TABLE {
            let identifier = AlgorithmIdentifierOwned::from_der(der).unwrap();
            assert_eq!(
                SignatureAlgorithm::from_identifier(&identifier).unwrap(),
                *algorithm
            );
            assert_eq!(text.parse::<SignatureAlgorithm>().unwrap(), *algorithm);
            assert_eq!(algorithm.to_string(), *text);
        }
        assert!("md5".parse::<SignatureAlgorithm>().is_err());
    }

    #[test]
    fn a_key_goes_with_its_own_algorithms() {
        assert!(A::RsaPssSha512.is_usable_with(KeyAlgorithm::Rsa(2048)));
        assert!(!A::EcdsaSha256.is_usable_with(KeyAlgorithm::P384));
        assert!(A::MlDsa65.is_usable_with(KeyAlgorithm::MlDsa65));
        assert!(!A::Ed25519.is_usable_with(KeyAlgorithm::Rsa(4096)));
    }
}
