//! The JSON of a key, both ways.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Curve, Jwk, KeyFault, KeyUse, Material};
use crate::{base64url, object};

/// Members of private and symmetric keys (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Longest `kid` or `alg`, in octets.
const MAX_NAME_LEN: usize = 1024;
/// Most certificates in `x5c`.
const MAX_X5C: usize = 10;

type Object = Map<String, Value>;

impl Jwk {
    pub(crate) fn from_object(object: &Object) -> Result<Self, KeyFault> {
        if PRIVATE.iter().any(|name| object.contains_key(*name)) {
            return Err(KeyFault::Private);
        }
        let material = match text(object, "kty")?.ok_or(KeyFault::Malformed("`kty` is missing"))? {
            "RSA" => Material::Rsa {
                modulus: unsigned(object, "n")?,
                exponent: unsigned(object, "e")?,
            },
            "EC" => ec(object)?,
            "OKP" => {
                let curve = match text(object, "crv")? {
                    Some("Ed25519") => Curve::Ed25519,
                    Some("X25519") => Curve::X25519,
                    _ => return Err(KeyFault::Unsupported),
                };
                Material::Curve {
                    curve,
                    point: coordinate(object, "x", curve)?,
                }
            }
            _ => return Err(KeyFault::Unsupported),
        };
        let mut key = Self::checked(material)?;
        key.kid = text(object, "kid")?.map(str::to_owned);
        key.alg = text(object, "alg")?.map(str::to_owned);
        key.key_use = match text(object, "use")? {
            None => None,
            Some("sig") => Some(KeyUse::Signature),
            Some("enc") => Some(KeyUse::Encryption),
            Some("x509-svid") => Some(KeyUse::X509Svid),
            Some("jwt-svid") => Some(KeyUse::JwtSvid),
            Some(_) => {
                return Err(KeyFault::Malformed(
                    "`use` is none of sig, enc, x509-svid and jwt-svid",
                ));
            }
        };
        key.x5c = x5c(object.get("x5c")).ok_or(KeyFault::Malformed("`x5c` is no list of certificates"))?;
        Ok(key)
    }

    pub(crate) fn to_object(&self) -> Object {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        match &self.material {
            Material::Rsa { modulus, exponent } => {
                put("kty", "RSA".into());
                put("n", base64url::encode(modulus).into());
                put("e", base64url::encode(exponent).into());
            }
            Material::Curve { curve, point } if curve.is_okp() => {
                put("kty", "OKP".into());
                put("crv", curve.name().into());
                put("x", base64url::encode(point).into());
            }
            Material::Curve { curve, point } => {
                let (x, y) = point.split_at_checked(curve.coordinate_len()).unwrap_or_default();
                put("kty", "EC".into());
                put("crv", curve.name().into());
                put("x", base64url::encode(x).into());
                put("y", base64url::encode(y).into());
            }
        }
        if let Some(kid) = &self.kid {
            put("kid", kid.as_str().into());
        }
        if let Some(alg) = &self.alg {
            put("alg", alg.as_str().into());
        }
        match self.key_use {
            None => None,
            Some(KeyUse::Signature) => put("use", "sig".into()),
            Some(KeyUse::Encryption) => put("use", "enc".into()),
            Some(KeyUse::X509Svid) => put("use", "x509-svid".into()),
            Some(KeyUse::JwtSvid) => put("use", "jwt-svid".into()),
        };
        if !self.x5c.is_empty() {
            put("x5c", write_x5c(&self.x5c));
        }
        object
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_object().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = object::deserialize(deserializer)?;
        Self::from_object(&object).map_err(D::Error::custom)
    }
}

fn ec(object: &Object) -> Result<Material, KeyFault> {
    let curve = match text(object, "crv")? {
        Some("P-256") => Curve::P256,
        Some("P-384") => Curve::P384,
        Some("P-521") => Curve::P521,
        _ => return Err(KeyFault::Unsupported),
    };
    let point = [coordinate(object, "x", curve)?, coordinate(object, "y", curve)?].concat();
    Ok(Material::Curve { curve, point })
}

pub(crate) fn text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, KeyFault> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if name.len() > 2 && text.len() > MAX_NAME_LEN => {
            Err(KeyFault::Malformed("a name is too long"))
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFault::Malformed("a member is no text")),
    }
}

fn octets(object: &Object, name: &str) -> Result<Vec<u8>, KeyFault> {
    let text = text(object, name)?.ok_or(KeyFault::Malformed("a member of its kind is missing"))?;
    base64url::decode(text).ok_or(KeyFault::Malformed("a member is no base64url"))
}

/// RFC 7518 §2: Base64urlUInt has no octets more than needed.
fn unsigned(object: &Object, name: &str) -> Result<Vec<u8>, KeyFault> {
    let octets = octets(object, name)?;
    match octets.first() {
        None | Some(0) => Err(KeyFault::Malformed("an integer is not in its shortest form")),
        Some(_) => Ok(octets),
    }
}

/// RFC 7518 §6.2.1.2: coordinates have the full length of their curve.
fn coordinate(object: &Object, name: &str, curve: Curve) -> Result<Vec<u8>, KeyFault> {
    let octets = octets(object, name)?;
    if octets.len() != curve.coordinate_len() {
        return Err(KeyFault::Malformed("its length is not that of its kind"));
    }
    Ok(octets)
}

/// Nothing when it is there and no list of base64.
pub(crate) fn x5c(member: Option<&Value>) -> Option<Vec<Vec<u8>>> {
    let Some(member) = member else {
        return Some(Vec::new());
    };
    let list = member.as_array()?;
    if list.is_empty() || list.len() > MAX_X5C {
        return None;
    }
    list.iter()
        .map(|certificate| base64url::decode_standard(certificate.as_str()?))
        .collect()
}

pub(crate) fn write_x5c(certificates: &[Vec<u8>]) -> Value {
    certificates
        .iter()
        .map(|certificate| Value::String(base64url::encode_standard(certificate)))
        .collect()
}
