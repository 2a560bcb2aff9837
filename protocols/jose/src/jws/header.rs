//! The protected header (RFC 7515 §4).

use serde_json::{Map, Value};

use super::{Algorithm, JwsFault};
use crate::jwk::Jwk;
use crate::jwk::{text, write_x5c, x5c};
use crate::object;

/// What a header says that matters here; other members are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`
    pub alg: Algorithm,
    /// `typ`
    pub typ: Option<String>,
    /// `kid`
    pub kid: Option<String>,
    /// `jwk`: the signer's own word about its key.
    pub jwk: Option<Jwk>,
    /// `x5c`: certificates in DER, the signer's first. Carried, not looked into.
    pub x5c: Vec<Vec<u8>>,
}

impl Header {
    /// A header with an algorithm and nothing else.
    pub fn new(alg: Algorithm) -> Self {
        Self {
            alg,
            typ: None,
            kid: None,
            jwk: None,
            x5c: Vec::new(),
        }
    }

    pub(super) fn parse(json: &[u8]) -> Result<Self, JwsFault> {
        let header = object::parse(json).ok_or(JwsFault::Malformed(
            "its header is no JSON object of distinct members",
        ))?;
        // RFC 7515 §4.1.11, RFC 7797 §6: no extension is understood here.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(JwsFault::Critical);
        }
        let name = header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or(JwsFault::Malformed("`alg` is missing"))?;
        let member = |name| match text(&header, name) {
            Ok(text) => Ok(text.map(str::to_owned)),
            Err(_) => Err(JwsFault::Malformed(
                "a member of its header is no text, or too long",
            )),
        };
        let jwk = match header.get("jwk") {
            None => None,
            Some(Value::Object(jwk)) => Some(Jwk::from_object(jwk).map_err(JwsFault::HeaderKey)?),
            Some(_) => return Err(JwsFault::Malformed("`jwk` is no JSON object")),
        };
        Ok(Self {
            alg: Algorithm::from_name(name).ok_or(JwsFault::Algorithm)?,
            typ: member("typ")?,
            kid: member("kid")?,
            jwk,
            x5c: x5c(header.get("x5c")).ok_or(JwsFault::Malformed("`x5c` is no list of certificates"))?,
        })
    }

    pub(super) fn to_json(&self) -> String {
        let mut header = Map::new();
        let mut put = |name: &str, value: Value| header.insert(name.to_owned(), value);
        put("alg", self.alg.name().into());
        if let Some(typ) = &self.typ {
            put("typ", typ.as_str().into());
        }
        if let Some(kid) = &self.kid {
            put("kid", kid.as_str().into());
        }
        if let Some(jwk) = &self.jwk {
            put("jwk", Value::Object(jwk.to_object()));
        }
        if !self.x5c.is_empty() {
            put("x5c", write_x5c(&self.x5c));
        }
        Value::Object(header).to_string()
    }
}
