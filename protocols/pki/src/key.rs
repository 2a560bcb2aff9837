//! Public keys: which kinds exist here, and the checks every foreign key passes before anything is built on it.

mod blocklist;
pub(crate) mod weak;

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ParsedPublicKey, UnparsedPublicKey};
use const_oid::ObjectIdentifier;
use der::Decode;
use spki::SubjectPublicKeyInfoRef;

pub use blocklist::{Blocklist, BlocklistFault, MAX_BLOCKLIST_LEN};

use crate::signature_algorithm::{MessageDigest, SignatureAlgorithm};

pub(crate) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ML_DSA_44: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");

/// Longest SubjectPublicKeyInfo read, in octets: an ML-DSA-87 key has 2614, an RSA-8192 key 1062.
pub const MAX_SPKI_LEN: usize = 4096;

/// The kind of a key. As text: `rsa-2048`, `ec-p256`, `ec-p384`, `ec-p521`, `ed25519`, `ml-dsa-44`, `ml-dsa-65`, `ml-dsa-87`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeyAlgorithm {
    /// RSA with a modulus of this many bits.
    Rsa(u16),
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

/// The text names no kind of key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no key algorithm: write rsa-2048, rsa-3072, rsa-4096, ec-p256, ec-p384, ec-p521, ed25519 or ml-dsa-44/65/87"
)]
pub struct UnknownKeyAlgorithm(String);

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "rsa-{bits}"),
            Self::P256 => f.write_str("ec-p256"),
            Self::P384 => f.write_str("ec-p384"),
            Self::P521 => f.write_str("ec-p521"),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::MlDsa44 => f.write_str("ml-dsa-44"),
            Self::MlDsa65 => f.write_str("ml-dsa-65"),
            Self::MlDsa87 => f.write_str("ml-dsa-87"),
        }
    }
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownKeyAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownKeyAlgorithm(text.chars().take(60).collect());
        Ok(match text {
            "ec-p256" => Self::P256,
            "ec-p384" => Self::P384,
            "ec-p521" => Self::P521,
            "ed25519" => Self::Ed25519,
            "ml-dsa-44" => Self::MlDsa44,
            "ml-dsa-65" => Self::MlDsa65,
            "ml-dsa-87" => Self::MlDsa87,
            _ => {
                let bits: u16 = text
                    .strip_prefix("rsa-")
                    .and_then(|bits| bits.parse().ok())
                    .ok_or_else(unknown)?;
                if !(2048..=8192).contains(&bits) {
                    return Err(unknown());
                }
                Self::Rsa(bits)
            }
        })
    }
}

impl TryFrom<String> for KeyAlgorithm {
    type Error = UnknownKeyAlgorithm;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyAlgorithm> for String {
    fn from(algorithm: KeyAlgorithm) -> Self {
        algorithm.to_string()
    }
}

/// SHA-256 of a SubjectPublicKeyInfo: the name of a key everywhere in the product.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyFingerprint(pub [u8; 32]);

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFingerprint({self})")
    }
}

/// Why a public key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// Not a SubjectPublicKeyInfo that can be read.
    #[error("the public key cannot be read: {0}")]
    Malformed(&'static str),
    /// A kind of key or a curve that is not supported.
    #[error(
        "keys of the kind {0} are not supported; use RSA of at least 2048 bits, P-256, P-384, P-521, Ed25519 or ML-DSA"
    )]
    Unsupported(String),
    /// A key that is known to be weak, and why.
    #[error("the public key is weak: {0}")]
    Weak(&'static str),
}

impl KeyFault {
    /// The stable code of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "key_malformed",
            Self::Unsupported(_) => "key_algorithm_unsupported",
            Self::Weak(_) => "key_too_weak",
        }
    }
}

/// The signature is not the key's over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// A public key that passed its checks: a known kind, well-formed, on its curve, not known to be weak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    spki_der: Vec<u8>,
    bits_start: usize,
    algorithm: KeyAlgorithm,
}

impl PublicKey {
    /// Reads and checks a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyFault> {
        if spki.len() > MAX_SPKI_LEN {
            return Err(KeyFault::Malformed("longer than any supported key"));
        }
        let info = SubjectPublicKeyInfoRef::from_der(spki)
            .map_err(|_| KeyFault::Malformed("it is not the DER of a SubjectPublicKeyInfo"))?;
        let bits = info
            .subject_public_key
            .as_bytes()
            .ok_or(KeyFault::Malformed("its key is not whole octets"))?;
        let oid = info.algorithm.oid;
        let algorithm = match oid {
            RSA => {
                // RFC 3279 §2.3.1: the parameters are NULL.
                if info
                    .algorithm
                    .parameters
                    .is_none_or(|parameters| !parameters.is_null())
                {
                    return Err(KeyFault::Malformed("RSA parameters must be NULL"));
                }
                weak::rsa(bits)?
            }
            EC => {
                let curve = info
                    .algorithm
                    .parameters
                    .and_then(|parameters| parameters.decode_as().ok());
                let curve: ObjectIdentifier =
                    curve.ok_or_else(|| KeyFault::Unsupported("EC without a named curve".to_owned()))?;
                ec_algorithm(curve)?
            }
            ED25519 | ML_DSA_44 | ML_DSA_65 | ML_DSA_87 => {
                // RFC 8410 §3, RFC 9881 §2: the parameters are absent.
                if info.algorithm.parameters.is_some() {
                    return Err(KeyFault::Malformed("parameters must be absent"));
                }
                match oid {
                    ED25519 => KeyAlgorithm::Ed25519,
                    ML_DSA_44 => KeyAlgorithm::MlDsa44,
                    ML_DSA_65 => KeyAlgorithm::MlDsa65,
                    _ => KeyAlgorithm::MlDsa87,
                }
            }
            other => return Err(KeyFault::Unsupported(weak::name_of(other))),
        };
        weak::octets(algorithm, bits)?;
        let verifier = SignatureAlgorithm::default_for(algorithm)
            .verifier(algorithm)
            .ok_or_else(|| KeyFault::Unsupported(algorithm.to_string()))?;
        // Parsing checks what only arithmetic can: the point lies on its curve, the modulus is odd and in range.
        ParsedPublicKey::new(verifier, bits)
            .map_err(|_| KeyFault::Malformed("its value is not a key of its kind"))?;
        Ok(Self {
            bits_start: spki.len() - bits.len(),
            spki_der: spki.to_vec(),
            algorithm,
        })
    }

    /// The same, of bytes that may hold a key that passed its checks already.
    pub(crate) fn from_spki_der_or(spki: &[u8], known: Option<&Self>) -> Result<Self, KeyFault> {
        match known {
            Some(known) if known.spki_der == spki => Ok(known.clone()),
            _ => Self::from_spki_der(spki),
        }
    }

    /// The kind of the key.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// The octets inside subjectPublicKey.
    pub fn key_bits(&self) -> &[u8] {
        self.spki_der.get(self.bits_start..).unwrap_or_default()
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> KeyFingerprint {
        let mut fingerprint = [0; 32];
        copy(
            &mut fingerprint,
            digest::digest(&digest::SHA256, &self.spki_der).as_ref(),
        );
        KeyFingerprint(fingerprint)
    }

    /// SHA-1 of the subjectPublicKey octets: the key identifier of RFC 5280 §4.2.1.2 (1), an index and no protection.
    pub fn key_id(&self) -> [u8; 20] {
        let mut key_id = [0; 20];
        copy(
            &mut key_id,
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, self.key_bits()).as_ref(),
        );
        key_id
    }

    /// Verifies a signature over `message`.
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        let verifier = algorithm.verifier(self.algorithm).ok_or(BadSignature)?;
        UnparsedPublicKey::new(verifier, self.key_bits())
            .verify(message, signature)
            .map_err(|_| BadSignature)
    }
}

/// A key ready to verify many signatures of one algorithm: read and checked once.
#[derive(Debug)]
pub struct Verifier {
    algorithm: SignatureAlgorithm,
    key: ParsedPublicKey,
}

impl Verifier {
    /// Nothing when the key makes no such signatures.
    pub fn new(key: &PublicKey, algorithm: SignatureAlgorithm) -> Option<Self> {
        let verifier = algorithm.verifier(key.algorithm)?;
        let key = ParsedPublicKey::new(verifier, key.key_bits()).ok()?;
        Some(Self { algorithm, key })
    }

    /// The algorithm it verifies.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Checks a signature over a message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.key.verify_sig(message, signature).map_err(|_| BadSignature)
    }
}

impl PublicKey {
    /// Verifies a signature over the message that has this digest. Fails for algorithms that sign the message itself.
    pub fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &MessageDigest,
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        let verifier = algorithm.verifier(self.algorithm).ok_or(BadSignature)?;
        UnparsedPublicKey::new(verifier, self.key_bits())
            .verify_digest(&digest.0, signature)
            .map_err(|_| BadSignature)
    }
}

fn ec_algorithm(curve: ObjectIdentifier) -> Result<KeyAlgorithm, KeyFault> {
    match curve {
        P256 => Ok(KeyAlgorithm::P256),
        P384 => Ok(KeyAlgorithm::P384),
        P521 => Ok(KeyAlgorithm::P521),
        other => Err(KeyFault::Unsupported(weak::name_of(other))),
    }
}

fn copy(target: &mut [u8], source: &[u8]) {
    for (slot, octet) in target.iter_mut().zip(source) {
        *slot = *octet;
    }
}

#[cfg(test)]
mod tests;
