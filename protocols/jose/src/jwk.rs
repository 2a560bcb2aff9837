//! Public keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! A [`Jwk`] is a key that passed the checks of `pki`: on its curve, of a fair size, not known to be weak. Private members are not
//! ignored but refused, so that a private key that went astray is noticed and never echoed. `x5c` is carried, not looked into.

mod key_set;
mod spki;
mod thumbprint;
mod wire;

use std::fmt;

pub use key_set::{KeySet, KeySetFault, MAX_KEY_SET_LEN, MAX_KEYS};
pub(crate) use thumbprint::sha256;
pub use thumbprint::{Thumbprint, ThumbprintFault};
pub(crate) use wire::{text, write_x5c, x5c};

/// Longest JWK read, in octets.
pub const MAX_JWK_LEN: usize = 64 * 1024;

/// Why a key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// Not a JWK, or members that make no key.
    #[error("the key cannot be read: {0}")]
    Malformed(&'static str),
    /// A private or symmetric key.
    #[error("the key has private members, which nobody else may see")]
    Private,
    /// A kind of key or a curve that is not used here.
    #[error(
        "keys of this kind are not supported; use RSA of at least 2048 bits, P-256, P-384, P-521, Ed25519 or X25519"
    )]
    Unsupported,
    /// A key that `pki` refuses.
    #[error(transparent)]
    Refused(#[from] pki::KeyFault),
}

/// A curve of RFC 7518 §6.2.1.1 or RFC 8037 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// `P-256`
    P256,
    /// `P-384`
    P384,
    /// `P-521`
    P521,
    /// `Ed25519`, for signatures only.
    Ed25519,
    /// `X25519`, for encryption only.
    X25519,
}

impl Curve {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::X25519 => "X25519",
        }
    }

    /// How many octets a coordinate has.
    pub(crate) fn coordinate_len(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) fn is_okp(self) -> bool {
        matches!(self, Self::Ed25519 | Self::X25519)
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The members that make a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// For NIST curves X and Y one behind the other, else the one octet string.
    Curve {
        curve: Curve,
        point: Vec<u8>,
    },
}

/// What a key is for (RFC 7517 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// `sig`
    Signature,
    /// `enc`
    Encryption,
    /// `x509-svid`: an authority for certificates (SPIFFE Trust Domain and Bundle §4.2.2).
    X509Svid,
    /// `jwt-svid`: an authority for tokens of SPIFFE.
    JwtSvid,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    pub(crate) material: Material,
    /// `kid`: the key's name in its set.
    pub kid: Option<String>,
    /// `alg`: the one algorithm it is for.
    pub alg: Option<String>,
    /// `use`
    pub key_use: Option<KeyUse>,
    /// `x5c`: certificates in DER, the key's first. Carried, not looked into.
    pub x5c: Vec<Vec<u8>>,
}

impl Jwk {
    /// Reads the JSON of a key.
    pub fn parse(json: &[u8]) -> Result<Self, KeyFault> {
        if json.len() > MAX_JWK_LEN {
            return Err(KeyFault::Malformed("it is too long"));
        }
        let object = crate::object::parse(json).ok_or(KeyFault::Malformed("it is no JSON object"))?;
        Self::from_object(&object)
    }

    /// Takes the key out of a SubjectPublicKeyInfo.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, KeyFault> {
        spki::read(spki).map(Self::plain)
    }

    /// From octets as agreement libraries have them: an uncompressed point, or the 32 octets of X25519.
    pub(crate) fn from_agreement_octets(curve: Curve, octets: &[u8]) -> Result<Self, KeyFault> {
        let point = if curve.is_okp() {
            Some(octets)
        } else {
            octets.strip_prefix(&[4])
        };
        let point = point
            .ok_or(KeyFault::Malformed("its point is not in uncompressed form"))?
            .to_vec();
        Self::checked(Material::Curve { curve, point })
    }

    pub(crate) fn checked(material: Material) -> Result<Self, KeyFault> {
        spki::check(&material)?;
        Ok(Self::plain(material))
    }

    fn plain(material: Material) -> Self {
        Self {
            material,
            kid: None,
            alg: None,
            key_use: None,
            x5c: Vec::new(),
        }
    }

    /// The same key under a name.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The SubjectPublicKeyInfo.
    pub fn to_spki_der(&self) -> Vec<u8> {
        spki::write(&self.material)
    }

    /// The JSON of the key.
    pub fn to_json(&self) -> String {
        serde_json::Value::Object(self.to_object()).to_string()
    }

    /// The RFC 7638 thumbprint, by SHA-256.
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.material)
    }

    /// The curve; nothing for RSA.
    pub fn curve(&self) -> Option<Curve> {
        match self.material {
            Material::Rsa { .. } => None,
            Material::Curve { curve, .. } => Some(curve),
        }
    }

    /// The octets of the public value as key agreement takes them.
    pub(crate) fn agreement_octets(&self) -> Option<(Curve, Vec<u8>)> {
        let Material::Curve { curve, point } = &self.material else {
            return None;
        };
        match curve {
            Curve::Ed25519 => None,
            Curve::X25519 => Some((*curve, point.clone())),
            _ => Some((*curve, [&[4], point.as_slice()].concat())),
        }
    }
}
