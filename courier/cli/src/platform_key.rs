//! Keys that the appliance makes (`key_mode: "platform"`): for whom they are encrypted, how the courier vouches for that, and how
//! what comes back is opened.
//!
//! The recipient is made for one order and forgotten with it. It is kept beside a pending order alone, because a key is given out
//! once: whoever loses the recipient orders again. That nobody between courier and appliance puts another recipient in its place is
//! shown by a proof of the session's key whose address is the thumbprint of the recipient (RFC 9449, RFC 9278).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jose::jwe::{Expected, RecipientKey};
use jose::jwk::Curve;
use pki::Certificate;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::auth::proof::{ProofFault, ProofKey};
use crate::key::LocalKey;

/// The start of the address that the proof names (RFC 9278 §3).
const THUMBPRINT_URI: &str = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";
/// The curves a recipient may be on; the first one is taken when nothing else is said.
const CURVES: [Curve; 4] = [Curve::P256, Curve::P384, Curve::P521, Curve::X25519];

/// Why a key from the appliance is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformKeyFault {
    /// No recipient could be made, or what was kept is none.
    #[error("the recipient key of the order cannot be used")]
    Recipient,
    /// The proof key does not sign.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// It is for another order, another certificate or another recipient, or was changed on its way.
    #[error("the key from the appliance cannot be opened for this order and certificate")]
    Unopened,
    /// What was in it is not the key of the certificate.
    #[error("what the appliance sent is not the private key of the certificate")]
    Mismatch,
}

/// The key pair that the key of one order is encrypted to.
pub struct Recipient {
    key: RecipientKey,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("thumbprint", &self.key.jwk().thumbprint().to_string())
            .finish_non_exhaustive()
    }
}

impl Recipient {
    /// Makes a new one on P-256.
    pub fn generate() -> Result<Self, PlatformKeyFault> {
        Self::generate_on(Curve::P256)
    }

    /// Makes a new one on P-256, P-384, P-521 or X25519.
    pub fn generate_on(curve: Curve) -> Result<Self, PlatformKeyFault> {
        if !CURVES.contains(&curve) {
            return Err(PlatformKeyFault::Recipient);
        }
        let key = RecipientKey::generate(curve, &SystemRandom::new());
        key.map(|key| Self { key })
            .map_err(|_| PlatformKeyFault::Recipient)
    }

    /// What is kept while the order is pending, in a file that only the courier reads: the curve and the private number.
    pub fn to_stored(&self) -> Result<Zeroizing<String>, PlatformKeyFault> {
        let curve = self.key.jwk().curve().ok_or(PlatformKeyFault::Recipient)?;
        let mut text = Zeroizing::new(format!("{curve} "));
        URL_SAFE_NO_PAD.encode_string(self.key.to_octets().as_slice(), &mut text);
        Ok(text)
    }

    /// Reads what [`Self::to_stored`] wrote.
    pub fn from_stored(text: &str) -> Result<Self, PlatformKeyFault> {
        let (name, octets) = text.trim().split_once(' ').ok_or(PlatformKeyFault::Recipient)?;
        let curve = CURVES.into_iter().find(|curve| curve.name() == name);
        let octets = URL_SAFE_NO_PAD.decode(octets).map(Zeroizing::new);
        let octets = octets.map_err(|_| PlatformKeyFault::Recipient)?;
        let key = RecipientKey::from_octets(curve.ok_or(PlatformKeyFault::Recipient)?, &octets);
        key.map(|key| Self { key })
            .map_err(|_| PlatformKeyFault::Recipient)
    }

    /// The public key, for `recipient` of the order.
    pub fn jwk(&self) -> Value {
        serde_json::from_str(&self.key.jwk().to_json()).unwrap_or_default()
    }

    /// `recipient_proof` of the order: by the key of the session, for its token. It is good for a minute and counts once, so it is made
    /// anew each time that the order is sent.
    pub fn prove(
        &self,
        session_key: &ProofKey,
        session_token: &str,
        now: Timestamp,
    ) -> Result<String, PlatformKeyFault> {
        let address = format!("{THUMBPRINT_URI}{}", self.key.jwk().thumbprint());
        Ok(session_key.prove("POST", &address, Some(session_token), None, now)?)
    }

    /// Opens the key of an order. It must have been made for this order and be the key of this certificate.
    pub fn open(
        &self,
        jwe: &str,
        order: Uuid,
        certificate: &Certificate,
    ) -> Result<LocalKey, PlatformKeyFault> {
        let expected = Expected {
            order: &order.to_string(),
            spki: &certificate.public_key().fingerprint().0,
        };
        let pkcs8 = self.key.decrypt(jwe, &expected);
        let pkcs8 = pkcs8.map_err(|_| PlatformKeyFault::Unopened)?;
        let key = LocalKey::parse(&pkcs8, None).map_err(|_| PlatformKeyFault::Mismatch)?;
        if key.fingerprint() == certificate.public_key().fingerprint() {
            Ok(key)
        } else {
            Err(PlatformKeyFault::Mismatch)
        }
    }
}

#[cfg(test)]
mod tests;
