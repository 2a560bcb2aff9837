//! A key pair of aws-lc-rs, and the signatures it makes.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, PqdsaKeyPair, RsaKeyPair};
use der::Decode;
use pkcs8::PrivateKeyInfoRef;
use signer_wire::{Input, KeyKind, Scheme};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::mechanism;

/// A key pair of any kind.
#[derive(Debug)]
pub(super) enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    MlDsa(Box<PqdsaKeyPair>),
}

impl Pair {
    /// Reads a DER PKCS#8 `PrivateKeyInfo`. The error says what is wrong with it, without any of its octets.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, String> {
        let info =
            PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| "it is not a PKCS#8 private key".to_owned())?;
        let rejected = |error: aws_lc_rs::error::KeyRejected| format!("the key is rejected: {error}");
        let ecdsa =
            |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map(|pair| Self::Ecdsa(Box::new(pair)));
        let ml_dsa =
            |algorithm| PqdsaKeyPair::from_pkcs8(algorithm, pkcs8).map(|pair| Self::MlDsa(Box::new(pair)));
        let curve = || {
            info.algorithm
                .parameters
                .and_then(|any| any.decode_as::<pkcs8::ObjectIdentifier>().ok())
        };
        let curve = curve().map(|oid| oid.to_string());
        match (info.algorithm.oid.to_string().as_str(), curve.as_deref()) {
            ("1.2.840.113549.1.1.1", _) => {
                RsaKeyPair::from_pkcs8(pkcs8).map(|pair| Self::Rsa(Box::new(pair)))
            }
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => {
                ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING)
            }
            ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
            ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => ecdsa(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
            ("1.2.840.10045.2.1", _) => return Err("its curve is not P-256, P-384 or P-521".to_owned()),
            ("1.3.101.112", _) => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(|pair| Self::Ed25519(Box::new(pair)))
            }
            ("2.16.840.1.101.3.4.3.17", _) => ml_dsa(&signature::ML_DSA_44_SIGNING),
            ("2.16.840.1.101.3.4.3.18", _) => ml_dsa(&signature::ML_DSA_65_SIGNING),
            ("2.16.840.1.101.3.4.3.19", _) => ml_dsa(&signature::ML_DSA_87_SIGNING),
            (other, _) => return Err(format!("its algorithm {other} is none this program signs with")),
        }
        .map_err(rejected)
    }

    /// DER SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> Result<Vec<u8>, Error> {
        let der: Result<PublicKeyX509Der<'static>, Unspecified> = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::MlDsa(pair) => pair.public_key().as_der(),
        };
        der.map(|der| der.as_ref().to_vec())
            .map_err(|_| Error::Software("no public key"))
    }

    /// Signs a message or a digest; the scheme goes with the key.
    pub(super) fn sign(&self, scheme: Scheme, input: &Input) -> Result<Vec<u8>, Error> {
        let failed = |_| Error::Software("no signature");
        let digest = mechanism::digest_of(scheme, input)?;
        match (self, digest, input) {
            (Self::Rsa(pair), Some(digest), _) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign_digest(rsa_encoding(scheme)?, &digest, &mut made)
                    .map_err(failed)?;
                Ok(made)
            }
            (Self::Ecdsa(pair), Some(digest), _) => pair
                .sign_digest(&digest)
                .map(|made| made.as_ref().to_vec())
                .map_err(failed),
            (Self::Ed25519(pair), None, Input::Message(message)) => pair
                .try_sign(message)
                .map(|made| made.as_ref().to_vec())
                .map_err(failed),
            (Self::MlDsa(pair), None, Input::Message(message)) => {
                let mut made = vec![0; pair.algorithm().signature_len()];
                let length = pair.sign(message, &mut made).map_err(failed)?;
                made.truncate(length);
                Ok(made)
            }
            _ => Err(Error::Software("the scheme does not go with the key")),
        }
    }
}

fn rsa_encoding(scheme: Scheme) -> Result<&'static dyn signature::RsaEncoding, Error> {
    Ok(match scheme {
        Scheme::RsaPkcs1Sha256 => &signature::RSA_PKCS1_SHA256,
        Scheme::RsaPkcs1Sha384 => &signature::RSA_PKCS1_SHA384,
        Scheme::RsaPkcs1Sha512 => &signature::RSA_PKCS1_SHA512,
        Scheme::RsaPssSha256 => &signature::RSA_PSS_SHA256,
        Scheme::RsaPssSha384 => &signature::RSA_PSS_SHA384,
        Scheme::RsaPssSha512 => &signature::RSA_PSS_SHA512,
        _ => return Err(Error::Software("the scheme does not go with an RSA key")),
    })
}

/// Makes a key pair, as DER PKCS#8.
pub(super) fn generate(kind: KeyKind) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |_| Error::Software("no key");
    let random = SystemRandom::new();
    let ecdsa = |algorithm| {
        EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
    };
    let ml_dsa = |algorithm| {
        PqdsaKeyPair::generate(algorithm)
            .and_then(|pair| pair.to_pkcs8v1())
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
    };
    let rsa = |size| {
        aws_lc_rs::rsa::KeyPair::generate(size)
            .and_then(|pair| pair.as_der())
            .map(|der: aws_lc_rs::encoding::Pkcs8V1Der<'static>| Zeroizing::new(der.as_ref().to_vec()))
    };
    match kind {
        KeyKind::Rsa(2048) => rsa(KeySize::Rsa2048),
        KeyKind::Rsa(3072) => rsa(KeySize::Rsa3072),
        KeyKind::Rsa(4096) => rsa(KeySize::Rsa4096),
        KeyKind::Rsa(bits) => {
            return Err(Error::Refused(format!(
                "RSA keys are made with 2048, 3072 or 4096 bits, not {bits}"
            )));
        }
        KeyKind::P256 => ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyKind::P384 => ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyKind::P521 => ecdsa(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyKind::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&random)
            .map(|document| Zeroizing::new(document.as_ref().to_vec())),
        KeyKind::MlDsa44 => ml_dsa(&signature::ML_DSA_44_SIGNING),
        KeyKind::MlDsa65 => ml_dsa(&signature::ML_DSA_65_SIGNING),
        KeyKind::MlDsa87 => ml_dsa(&signature::ML_DSA_87_SIGNING),
    }
    .map_err(failed)
}
