//! Public keys: from what a token says of one to DER SubjectPublicKeyInfo, its fingerprint, and verification.

use aws_lc_rs::{digest, signature};
use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use der::{Decode, Encode, Sequence};
use signer_wire::{KeyKind, KeyRef, Scheme};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ML_DSA_44: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");

/// RFC 8017 §A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// The name of a key: SHA-256 of its SubjectPublicKeyInfo.
pub(crate) fn fingerprint(spki: &[u8]) -> KeyRef {
    let digest = digest::digest(&digest::SHA256, spki);
    let mut octets = [0; 32];
    for (place, octet) in octets.iter_mut().zip(digest.as_ref()) {
        *place = *octet;
    }
    KeyRef::new(octets)
}

/// The curve that CKA_EC_PARAMS names: an OBJECT IDENTIFIER, or for Edwards curves the PrintableString form of
/// PKCS#11 3.0 §2.3.5.
pub(crate) fn curve(ec_params: &[u8]) -> Option<KeyKind> {
    if ec_params == ED25519_NAME {
        return Some(KeyKind::Ed25519);
    }
    match ObjectIdentifier::from_der(ec_params).ok()? {
        P256 => Some(KeyKind::P256),
        P384 => Some(KeyKind::P384),
        P521 => Some(KeyKind::P521),
        ED25519 => Some(KeyKind::Ed25519),
        _ => None,
    }
}

/// `edwards25519` as a DER PrintableString.
pub(crate) const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

/// CKA_EC_PARAMS for a curve: its OBJECT IDENTIFIER in DER.
pub(crate) fn ec_params(kind: KeyKind) -> Option<Vec<u8>> {
    let oid = match kind {
        KeyKind::P256 => P256,
        KeyKind::P384 => P384,
        KeyKind::P521 => P521,
        KeyKind::Ed25519 => ED25519,
        _ => return None,
    };
    oid.to_der().ok()
}

/// SubjectPublicKeyInfo of an RSA key from CKA_MODULUS and CKA_PUBLIC_EXPONENT.
pub(crate) fn rsa_spki(modulus: &[u8], public_exponent: &[u8]) -> Option<Vec<u8>> {
    let key = RsaPublicKey {
        modulus: UintRef::new(modulus).ok()?,
        public_exponent: UintRef::new(public_exponent).ok()?,
    };
    spki(RSA, Some(AnyRef::NULL), &key.to_der().ok()?)
}

/// SubjectPublicKeyInfo of an elliptic key from CKA_EC_POINT. The standard wants a DER OCTET STRING there; some
/// modules give the bare point, and some a BIT STRING for Edwards curves.
pub(crate) fn ec_spki(kind: KeyKind, ec_point: &[u8]) -> Option<Vec<u8>> {
    let length = match kind {
        KeyKind::P256 => 65,
        KeyKind::P384 => 97,
        KeyKind::P521 => 133,
        KeyKind::Ed25519 => 32,
        _ => return None,
    };
    let bare = Some(ec_point).filter(|point| point.len() == length);
    let in_octets = || {
        <&OctetStringRef>::from_der(ec_point)
            .ok()
            .map(OctetStringRef::as_bytes)
    };
    let in_bits = || {
        BitStringRef::from_der(ec_point)
            .ok()
            .and_then(|string| string.as_bytes())
    };
    let point = bare
        .or_else(in_octets)
        .or_else(in_bits)
        .filter(|point| point.len() == length)?;
    if kind == KeyKind::Ed25519 {
        return spki(ED25519, None, point);
    }
    let params = ec_params(kind)?;
    spki(EC, Some(AnyRef::from_der(&params).ok()?), point)
}

/// SubjectPublicKeyInfo of an ML-DSA key from the CKA_VALUE of its public key (RFC 9881 §4).
pub(crate) fn ml_dsa_spki(value: &[u8]) -> Option<Vec<u8>> {
    let oid = match value.len() {
        1312 => ML_DSA_44,
        1952 => ML_DSA_65,
        2592 => ML_DSA_87,
        _ => return None,
    };
    spki(oid, None, value)
}

fn spki(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Option<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(key).ok()?,
    };
    info.to_der().ok()
}

/// The kind of a key by its SubjectPublicKeyInfo; `None` for kinds this crate does not sign with.
pub(crate) fn kind(spki: &[u8]) -> Option<KeyKind> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    match info.algorithm.oid {
        RSA => {
            let key = RsaPublicKey::from_der(info.subject_public_key.as_bytes()?).ok()?;
            let modulus = key.modulus.as_bytes();
            let unused = modulus.first()?.leading_zeros();
            let bits = u32::try_from(modulus.len())
                .ok()?
                .checked_mul(8)?
                .checked_sub(unused)?;
            u16::try_from(bits).ok().map(KeyKind::Rsa)
        }
        EC => match info.algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()? {
            P256 => Some(KeyKind::P256),
            P384 => Some(KeyKind::P384),
            P521 => Some(KeyKind::P521),
            _ => None,
        },
        ED25519 => Some(KeyKind::Ed25519),
        ML_DSA_44 => Some(KeyKind::MlDsa44),
        ML_DSA_65 => Some(KeyKind::MlDsa65),
        ML_DSA_87 => Some(KeyKind::MlDsa87),
        _ => None,
    }
}

/// Whether a signature over a message is right. For the checks this crate makes of its own backends; certificates
/// are verified by the certificate layer.
pub fn verify(spki: &[u8], scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
    let algorithm: &'static dyn signature::VerificationAlgorithm = match scheme {
        Scheme::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Scheme::RsaPkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Scheme::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Scheme::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
        Scheme::RsaPssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
        Scheme::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
        Scheme::EcdsaSha256 => &signature::ECDSA_P256_SHA256_ASN1,
        Scheme::EcdsaSha384 => &signature::ECDSA_P384_SHA384_ASN1,
        Scheme::EcdsaSha512 => &signature::ECDSA_P521_SHA512_ASN1,
        Scheme::Ed25519 => &signature::ED25519,
        Scheme::MlDsa44 => &signature::ML_DSA_44,
        Scheme::MlDsa65 => &signature::ML_DSA_65,
        Scheme::MlDsa87 => &signature::ML_DSA_87,
    };
    signature::UnparsedPublicKey::new(algorithm, spki)
        .verify(message, signature)
        .is_ok()
}
