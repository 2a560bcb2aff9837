//! Signature schemes, and what is handed in to be signed.

use core::fmt;
use core::str::FromStr;

use crate::cursor::{Reader, Writer};
use crate::frame::WireFault;
use crate::key::KeyKind;
use crate::limits::MAX_MESSAGE;

/// The hash a scheme signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-384 (FIPS 180-4).
    Sha384,
    /// SHA-512 (FIPS 180-4).
    Sha512,
}

impl HashAlgorithm {
    /// Octets of a digest.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// How a signature is made. The text forms are those of the certificate layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 of the same hash and a salt of the same length (RFC 8017 §8.1).
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384, likewise.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512, likewise.
    RsaPssSha512,
    /// ECDSA on P-256 with SHA-256; the signature is DER `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
    EcdsaSha256,
    /// ECDSA on P-384 with SHA-384, likewise.
    EcdsaSha384,
    /// ECDSA on P-521 with SHA-512, likewise.
    EcdsaSha512,
    /// Ed25519 (RFC 8032), over the message itself.
    Ed25519,
    /// ML-DSA-44 (FIPS 204) without context, over the message itself.
    MlDsa44,
    /// ML-DSA-65, likewise.
    MlDsa65,
    /// ML-DSA-87, likewise.
    MlDsa87,
}

impl Scheme {
    /// Every scheme; the place in this list plus one is its number on the wire.
    pub const ALL: [Self; 13] = [
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::RsaPssSha256,
        Self::RsaPssSha384,
        Self::RsaPssSha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// The hash that is signed; `None` where the scheme takes the message itself.
    pub const fn hash(self) -> Option<HashAlgorithm> {
        match self {
            Self::RsaPkcs1Sha256 | Self::RsaPssSha256 | Self::EcdsaSha256 => Some(HashAlgorithm::Sha256),
            Self::RsaPkcs1Sha384 | Self::RsaPssSha384 | Self::EcdsaSha384 => Some(HashAlgorithm::Sha384),
            Self::RsaPkcs1Sha512 | Self::RsaPssSha512 | Self::EcdsaSha512 => Some(HashAlgorithm::Sha512),
            Self::Ed25519 | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => None,
        }
    }

    /// Whether a key of this kind can make it. An EC key signs with the hash of its own strength only: every
    /// backend can do that, and a signature is never weaker than its key.
    pub const fn is_usable_with(self, kind: KeyKind) -> bool {
        match self {
            Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512
            | Self::RsaPssSha256
            | Self::RsaPssSha384
            | Self::RsaPssSha512 => matches!(kind, KeyKind::Rsa(_)),
            Self::EcdsaSha256 => matches!(kind, KeyKind::P256),
            Self::EcdsaSha384 => matches!(kind, KeyKind::P384),
            Self::EcdsaSha512 => matches!(kind, KeyKind::P521),
            Self::Ed25519 => matches!(kind, KeyKind::Ed25519),
            Self::MlDsa44 => matches!(kind, KeyKind::MlDsa44),
            Self::MlDsa65 => matches!(kind, KeyKind::MlDsa65),
            Self::MlDsa87 => matches!(kind, KeyKind::MlDsa87),
        }
    }

    /// The scheme a key of this kind signs with unless told otherwise.
    pub const fn default_for(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Rsa(_) => Self::RsaPkcs1Sha256,
            KeyKind::P256 => Self::EcdsaSha256,
            KeyKind::P384 => Self::EcdsaSha384,
            KeyKind::P521 => Self::EcdsaSha512,
            KeyKind::Ed25519 => Self::Ed25519,
            KeyKind::MlDsa44 => Self::MlDsa44,
            KeyKind::MlDsa65 => Self::MlDsa65,
            KeyKind::MlDsa87 => Self::MlDsa87,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::RsaPkcs1Sha256 => "rsa-pkcs1-sha256",
            Self::RsaPkcs1Sha384 => "rsa-pkcs1-sha384",
            Self::RsaPkcs1Sha512 => "rsa-pkcs1-sha512",
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaPssSha384 => "rsa-pss-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::EcdsaSha256 => "ecdsa-sha256",
            Self::EcdsaSha384 => "ecdsa-sha384",
            Self::EcdsaSha512 => "ecdsa-sha512",
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }

    pub(crate) fn encode(self, writer: &mut Writer<'_>) {
        let place = Self::ALL.iter().position(|scheme| *scheme == self);
        writer.u8(place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0));
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        let number = usize::from(reader.u8()?);
        let place = number.checked_sub(1).ok_or(WireFault::BadValue("scheme"))?;
        Self::ALL.get(place).copied().ok_or(WireFault::BadValue("scheme"))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A text that names no signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such signature scheme")]
pub struct UnknownScheme;

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(text: &str) -> Result<Self, UnknownScheme> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.text() == text)
            .ok_or(UnknownScheme)
    }
}

/// A digest of 32, 48 or 64 octets, held in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    octets: [u8; 64],
    length: u8,
}

impl Digest {
    /// A digest of one of the three lengths; `None` for any other.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let length = match bytes.len() {
            32 => 32,
            48 => 48,
            64 => 64,
            _ => return None,
        };
        let mut octets = [0; 64];
        octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { octets, length })
    }

    /// The octets of the digest.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({} octets)", self.length)
    }
}

/// What is to be signed.
///
/// Every backend takes a message for every scheme: where the scheme signs a hash, the backend makes it. A digest is
/// the shorter way for RSA and ECDSA, and the only one for inputs over [`MAX_MESSAGE`]; Ed25519 and ML-DSA
/// sign the message itself and refuse a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The digest of the message, under the hash of the scheme.
    Digest(Digest),
    /// The message.
    Message(Vec<u8>),
}

impl Input {
    /// Least octets of an encoded input.
    pub(crate) const LEAST: usize = 1 + 4;

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Digest(digest) => {
                writer.u8(0);
                writer.bytes(digest.as_bytes(), 64);
            }
            Self::Message(message) => {
                writer.u8(1);
                writer.bytes(message, MAX_MESSAGE);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        match reader.u8()? {
            0 => Digest::new(reader.bytes(64)?)
                .map(Self::Digest)
                .ok_or(WireFault::BadValue("digest")),
            1 => Ok(Self::Message(reader.bytes(MAX_MESSAGE)?.to_vec())),
            _ => Err(WireFault::BadValue("input")),
        }
    }
}
