//! Sets of keys (RFC 7517 §5).

use serde::Serialize;
use serde_json::Value;

use super::{Jwk, KeyUse};
use crate::jws::{Algorithm, Header};
use crate::object;

/// Longest set read, in octets.
pub const MAX_KEY_SET_LEN: usize = 256 * 1024;
/// Most keys in a set.
pub const MAX_KEYS: usize = 100;

/// Why a set of keys is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetFault {
    /// Over [`MAX_KEY_SET_LEN`] or [`MAX_KEYS`].
    #[error("the key set has more than {MAX_KEYS} keys or {MAX_KEY_SET_LEN} octets")]
    TooLarge,
    /// No key set.
    #[error("it is no JSON object with a list of keys")]
    Malformed,
}

/// The keys of an issuer. What is no usable public key is left out when a set is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeySet {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// Nothing when there are more than [`MAX_KEYS`].
    pub fn new(keys: Vec<Jwk>) -> Result<Self, KeySetFault> {
        if keys.len() > MAX_KEYS {
            return Err(KeySetFault::TooLarge);
        }
        Ok(Self { keys })
    }

    /// Reads a set.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetFault> {
        if json.len() > MAX_KEY_SET_LEN {
            return Err(KeySetFault::TooLarge);
        }
        let Some(Value::Array(members)) = object::parse(json).and_then(|mut set| set.remove("keys")) else {
            return Err(KeySetFault::Malformed);
        };
        if members.len() > MAX_KEYS {
            return Err(KeySetFault::TooLarge);
        }
        // RFC 7517 §5: keys that are not understood are ignored.
        let keys = members.into_iter().filter_map(|member| match member {
            Value::Object(object) => Jwk::from_object(&object).ok(),
            _ => None,
        });
        Ok(Self { keys: keys.collect() })
    }

    /// All keys.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The first key of this name.
    pub fn by_kid(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|key| key.kid.as_deref() == Some(kid))
    }

    /// The keys that may have made a signature with this header: of its `kid` if it has one, for signatures, and for its algorithm.
    pub fn candidates<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a Jwk> {
        self.find(header.kid.as_deref(), header.alg)
    }

    /// The keys of a name (any, without one) that may sign by an algorithm.
    pub fn find<'a>(&'a self, kid: Option<&'a str>, algorithm: Algorithm) -> impl Iterator<Item = &'a Jwk> {
        self.keys.iter().filter(move |key| {
            (kid.is_none() || key.kid.as_deref() == kid)
                && !matches!(key.key_use, Some(KeyUse::Encryption | KeyUse::X509Svid))
                && key.alg.as_deref().is_none_or(|alg| alg == algorithm.name())
                && algorithm.fits(key)
        })
    }
}
