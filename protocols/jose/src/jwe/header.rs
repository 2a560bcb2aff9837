//! The protected header of an envelope (RFC 7516 §4, RFC 7518 §4.6.1).

use serde_json::{Map, Value, json};

use super::{Envelope, KeyManagement, MAX_PARTY_LEN};
use crate::base64url;
use crate::jwk::Jwk;
use crate::object;

pub(super) struct Header {
    pub(super) management: KeyManagement,
    pub(super) epk: Jwk,
    pub(super) apu: Vec<u8>,
    pub(super) apv: Vec<u8>,
    pub(super) order: String,
    pub(super) spki: [u8; 32],
}

impl Header {
    pub(super) fn new(management: KeyManagement, epk: Jwk, envelope: &Envelope<'_>) -> Self {
        Self {
            management,
            epk,
            apu: envelope.apu.to_vec(),
            apv: envelope.apv.to_vec(),
            order: envelope.order.to_owned(),
            spki: *envelope.spki,
        }
    }

    /// Nothing when it is not of the form that [`Self::to_json`] has. `zip` and `crit` change what the rest means and are refused.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let header = object::parse(json)?;
        if header.contains_key("crit") || header.contains_key("zip") {
            return None;
        }
        let management = match text(&header, "alg")? {
            "ECDH-ES+A256KW" => KeyManagement::EcdhEsA256Kw,
            "ECDH-ES" => KeyManagement::EcdhEs,
            _ => return None,
        };
        if text(&header, "enc")? != "A256GCM" {
            return None;
        }
        let party = |name| match header.get(name) {
            None => Some(Vec::new()),
            Some(value) => base64url::decode(value.as_str()?).filter(|party| party.len() <= MAX_PARTY_LEN),
        };
        Some(Self {
            management,
            epk: Jwk::from_object(header.get("epk")?.as_object()?).ok()?,
            apu: party("apu")?,
            apv: party("apv")?,
            order: text(&header, "order")?.to_owned(),
            spki: base64url::decode(text(&header, "spki")?)?.try_into().ok()?,
        })
    }

    pub(super) fn to_json(&self) -> String {
        let mut header = json!({
            "alg": self.management.name(),
            "enc": "A256GCM",
            "epk": self.epk.to_object(),
            "order": self.order,
            "spki": base64url::encode(&self.spki),
        });
        for (name, party) in [("apu", &self.apu), ("apv", &self.apv)] {
            if let (Some(header), false) = (header.as_object_mut(), party.is_empty()) {
                header.insert(name.to_owned(), base64url::encode(party).into());
            }
        }
        header.to_string()
    }
}

fn text<'a>(header: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    header.get(name)?.as_str()
}
