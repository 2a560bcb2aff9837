//! The name of a key that everybody computes alike (RFC 7638).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::Material;
use crate::base64url;

/// SHA-256 over the required members of a key in their one order. As text: base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint(pub [u8; 32]);

/// The text is no thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no thumbprint: 43 characters of base64url")]
pub struct ThumbprintFault;

impl Thumbprint {
    pub(super) fn of(material: &Material) -> Self {
        // RFC 7638 §3: names in lexicographic order, no white space; none of the values needs escaping.
        let members = match material {
            Material::Rsa { modulus, exponent } => format!(
                r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                base64url::encode(exponent),
                base64url::encode(modulus)
            ),
            Material::Curve { curve, point } if curve.is_okp() => {
                format!(
                    r#"{{"crv":"{curve}","kty":"OKP","x":"{}"}}"#,
                    base64url::encode(point)
                )
            }
            Material::Curve { curve, point } => {
                let (x, y) = point.split_at_checked(curve.coordinate_len()).unwrap_or_default();
                format!(
                    r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#,
                    base64url::encode(x),
                    base64url::encode(y)
                )
            }
        };
        Self(sha256(members.as_bytes()))
    }
}

/// SHA-256 as an array.
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (slot, octet) in out
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, octets).as_ref())
    {
        *slot = *octet;
    }
    out
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

impl FromStr for Thumbprint {
    type Err = ThumbprintFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 43 {
            return Err(ThumbprintFault);
        }
        let octets = base64url::decode(text).ok_or(ThumbprintFault)?;
        octets.try_into().map(Self).map_err(|_| ThumbprintFault)
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = ThumbprintFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}
