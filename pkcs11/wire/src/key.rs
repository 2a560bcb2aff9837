//! Keys as the signing service names them: by the fingerprint of their public key.

use core::fmt;
use core::str::FromStr;

use crate::cursor::{Reader, Writer};
use crate::frame::WireFault;
use crate::limits::{MAX_LABEL, MAX_SPKI, MAX_TOKENS};

/// The name of a key: SHA-256 of its DER SubjectPublicKeyInfo. The same key on two tokens has the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRef([u8; 32]);

impl KeyRef {
    /// A key by its fingerprint.
    pub const fn new(fingerprint: [u8; 32]) -> Self {
        Self(fingerprint)
    }

    /// The fingerprint: SHA-256 of the DER SubjectPublicKeyInfo.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Put together in place: an audit line prints a name for each signature.
        let mut text = [0; 64];
        for (pair, octet) in text.chunks_exact_mut(2).zip(self.0) {
            for (digit, half) in pair.iter_mut().zip([octet >> 4, octet & 15]) {
                *digit = DIGITS.get(usize::from(half)).copied().unwrap_or_default();
            }
        }
        f.write_str(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRef({self})")
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is named by 64 hexadecimal digits")]
pub struct UnknownKeyRef;

impl FromStr for KeyRef {
    type Err = UnknownKeyRef;

    fn from_str(text: &str) -> Result<Self, UnknownKeyRef> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(UnknownKeyRef);
        }
        let mut fingerprint = [0; 32];
        for (octet, pair) in fingerprint.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = core::str::from_utf8(pair).map_err(|_| UnknownKeyRef)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| UnknownKeyRef)?;
        }
        Ok(Self(fingerprint))
    }
}

/// What kind of key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA with a modulus of this many bits (2048 to 8192; 2048, 3072 and 4096 can be generated).
    Rsa(u16),
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
    /// ECDSA on NIST P-521.
    P521,
    /// EdDSA on Curve25519 (RFC 8032).
    Ed25519,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-65 (FIPS 204).
    MlDsa65,
    /// ML-DSA-87 (FIPS 204).
    MlDsa87,
}

impl KeyKind {
    /// Every kind that can be generated.
    pub const GENERATED: [Self; 10] = [
        Self::Rsa(2048),
        Self::Rsa(3072),
        Self::Rsa(4096),
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    pub(crate) fn encode(self, writer: &mut Writer<'_>) {
        match self {
            Self::Rsa(bits) => {
                writer.u8(1);
                writer.u16(bits);
            }
            Self::P256 => writer.u8(2),
            Self::P384 => writer.u8(3),
            Self::P521 => writer.u8(4),
            Self::Ed25519 => writer.u8(5),
            Self::MlDsa44 => writer.u8(6),
            Self::MlDsa65 => writer.u8(7),
            Self::MlDsa87 => writer.u8(8),
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(match reader.u8()? {
            1 => Self::Rsa(reader.u16()?),
            2 => Self::P256,
            3 => Self::P384,
            4 => Self::P521,
            5 => Self::Ed25519,
            6 => Self::MlDsa44,
            7 => Self::MlDsa65,
            8 => Self::MlDsa87,
            _ => return Err(WireFault::BadValue("key kind")),
        })
    }
}

impl fmt::Display for KeyKind {
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

/// A text that names no kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such kind of key; there are rsa-2048, rsa-3072, rsa-4096, ec-p256, ec-p384, ec-p521, ed25519, ml-dsa-44, ml-dsa-65 and ml-dsa-87"
)]
pub struct UnknownKeyKind;

impl FromStr for KeyKind {
    type Err = UnknownKeyKind;

    fn from_str(text: &str) -> Result<Self, UnknownKeyKind> {
        Self::GENERATED
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or(UnknownKeyKind)
    }
}

/// What a token says of a private key: the attributes that tell whether it can leave the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an attribute of PKCS#11 §4.9 and keeps its name"
)]
pub struct KeyAttributes {
    /// CKA_SENSITIVE: its value cannot be read in the clear.
    pub sensitive: bool,
    /// CKA_EXTRACTABLE: its value can be wrapped and taken out.
    pub extractable: bool,
    /// CKA_LOCAL: it was generated where it is.
    pub local: bool,
    /// CKA_ALWAYS_SENSITIVE: it has been sensitive since it exists.
    pub always_sensitive: bool,
    /// CKA_NEVER_EXTRACTABLE: it has never been extractable.
    pub never_extractable: bool,
}

impl KeyAttributes {
    /// Octets of an encoded set.
    const OCTETS: usize = 1;

    fn encode(self, writer: &mut Writer<'_>) {
        let bits = [
            self.sensitive,
            self.extractable,
            self.local,
            self.always_sensitive,
            self.never_extractable,
        ];
        writer.u8(bits
            .iter()
            .rev()
            .fold(0, |octet, bit| (octet << 1) | u8::from(*bit)));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        let octet = reader.u8()?;
        if octet & !0x1f != 0 {
            return Err(WireFault::BadValue("key attributes"));
        }
        Ok(Self {
            sensitive: octet & 1 != 0,
            extractable: octet & 2 != 0,
            local: octet & 4 != 0,
            always_sensitive: octet & 8 != 0,
            never_extractable: octet & 16 != 0,
        })
    }
}

/// A key the service can sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its name.
    pub key: KeyRef,
    /// Its kind.
    pub kind: KeyKind,
    /// Its label on the token.
    pub label: String,
    /// DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The tokens that hold it, by their configured names; `software` for the software backend.
    pub tokens: Vec<String>,
    /// What the first of these tokens says of it.
    pub attributes: KeyAttributes,
}

impl KeyRecord {
    /// Least octets of an encoded record.
    pub(crate) const LEAST: usize = 32 + 1 + 4 + 4 + 4 + KeyAttributes::OCTETS;

    pub(crate) fn encode(&self, writer: &mut Writer<'_>) {
        writer.raw(self.key.as_bytes());
        self.kind.encode(writer);
        writer.text(&self.label, MAX_LABEL);
        writer.bytes(&self.spki, MAX_SPKI);
        writer.count(self.tokens.len(), MAX_TOKENS);
        for token in &self.tokens {
            writer.text(token, MAX_LABEL);
        }
        self.attributes.encode(writer);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireFault> {
        Ok(Self {
            key: KeyRef::new(reader.array()?),
            kind: KeyKind::decode(reader)?,
            label: reader.text(MAX_LABEL)?,
            spki: reader.bytes(MAX_SPKI)?.to_vec(),
            tokens: reader.list(MAX_TOKENS, 4, |item| item.text(MAX_LABEL))?,
            attributes: KeyAttributes::decode(reader)?,
        })
    }
}
