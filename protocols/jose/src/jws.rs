//! Signatures in compact form (RFC 7515, RFC 7518 §3, RFC 8037 §3.1).
//!
//! A text is read strictly before any key is looked at: there is one form of each. What cannot be expressed cannot be accepted:
//! [`Algorithm`] has neither `none` nor a shared secret, and a key verifies only the algorithms of its own kind.

mod header;
mod sign;
mod verify;

use std::fmt;

pub use header::Header;
pub use sign::{SigningKey, Unsigned};
pub use verify::{Verified, VerifyKey};

use crate::base64url;
use crate::jwk::{Curve, Jwk, KeyFault};

/// Longest compact form read, in octets.
pub const MAX_LEN: usize = 64 * 1024;

/// Why a signed text is not accepted, or cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsFault {
    /// Over [`MAX_LEN`].
    #[error("it is longer than {MAX_LEN} octets")]
    TooLong,
    /// Not the one form that this may have.
    #[error("it is no compact JWS: {0}")]
    Malformed(&'static str),
    /// An algorithm that is not accepted.
    #[error("its algorithm is not accepted; use RS256, PS256, ES256, EdDSA or a stronger one of their kinds")]
    Algorithm,
    /// An extension that would have to be understood.
    #[error("it uses an extension (crit, b64) that is not supported")]
    Critical,
    /// The key in its header is not acceptable.
    #[error("the key in its header is not acceptable")]
    HeaderKey(#[source] KeyFault),
    /// A key of another kind, use or algorithm.
    #[error("the key does not fit the algorithm")]
    KeyMismatch,
    /// The signature is not the key's over this text.
    #[error("the signature does not verify")]
    BadSignature,
    /// The key could not sign.
    #[error("the key could not sign")]
    Signing,
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `RS256`
    Rs256,
    /// `RS384`
    Rs384,
    /// `RS512`
    Rs512,
    /// `PS256`
    Ps256,
    /// `PS384`
    Ps384,
    /// `PS512`
    Ps512,
    /// `ES256`: P-256.
    Es256,
    /// `ES384`: P-384.
    Es384,
    /// `ES512`: P-521.
    Es512,
    /// `EdDSA`: Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name, if it is one of those.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether a key is of the kind and curve of the algorithm.
    pub fn fits(self, key: &Jwk) -> bool {
        self.curve() == key.curve()
    }

    /// Nothing for RSA.
    pub(crate) fn curve(self) -> Option<Curve> {
        match self {
            Self::Es256 => Some(Curve::P256),
            Self::Es384 => Some(Curve::P384),
            Self::Es512 => Some(Curve::P521),
            Self::EdDsa => Some(Curve::Ed25519),
            _ => None,
        }
    }

    /// RFC 7518 §3.4: the signatures of a curve have one length.
    fn is_signature_len(self, length: usize) -> bool {
        match self.curve() {
            Some(curve) => length == 2 * curve.coordinate_len(),
            None => (256..=1024).contains(&length),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that was read, of which nothing is proven yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jws {
    header: Header,
    signing_input: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Jws {
    /// Reads a compact form.
    pub fn parse(compact: &str) -> Result<Self, JwsFault> {
        if compact.len() > MAX_LEN {
            return Err(JwsFault::TooLong);
        }
        let parts: Vec<&str> = compact.splitn(4, '.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(JwsFault::Malformed("it has not three parts"));
        };
        let decode =
            |part: &str| base64url::decode(part).ok_or(JwsFault::Malformed("a part is no base64url"));
        Ok(Self {
            header: Header::parse(&decode(header)?)?,
            signing_input: format!("{header}.{payload}"),
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }

    /// Its header, not proven.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What it says, not proven: for finding out whose key to ask.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }
}
