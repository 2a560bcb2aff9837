//! The proof key of a run and the proofs made with it (DPoP, RFC 9449).
//!
//! A session is bound to a key that lives in this process alone. A hop that ends TLS sees the token of the session and can do nothing
//! with it: every request carries a signature over its method, its address and that token.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jiff::Timestamp;
use jose::{SigningKey, dpop};
use serde_json::Value;
use uuid::Uuid;

/// No key could be made, or it does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof key of this run could not be used")]
pub struct ProofFault;

/// The key.
#[derive(Debug)]
pub struct ProofKey {
    key: SigningKey,
    jwk: Value,
}

impl ProofKey {
    /// A new key on P-256.
    pub fn generate() -> Result<Self, ProofFault> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| ProofFault)?;
        let key = SigningKey::from_pkcs8_der(pkcs8.as_ref()).map_err(|_| ProofFault)?;
        let jwk = serde_json::from_str(&key.jwk().to_json()).map_err(|_| ProofFault)?;
        Ok(Self { key, jwk })
    }

    /// The public key as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// Its thumbprint (RFC 7638), base64url.
    pub fn thumbprint(&self) -> String {
        self.key.jwk().thumbprint().to_string()
    }

    /// A proof for one request: its method, its URL without query and fragment, the token it carries, and its body, where it has one.
    pub fn prove(
        &self,
        method: &str,
        url: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<String, ProofFault> {
        let hash = token.map(dpop::access_token_hash);
        let request = dpop::Request {
            method,
            url,
            access_token_hash: hash.as_deref(),
            now: now.as_second(),
            id: &Uuid::new_v4().to_string(),
            body,
        };
        dpop::build(&self.key, &request, &SystemRandom::new()).map_err(|_| ProofFault)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test says what broke by panicking"
    )]

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn part(text: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    #[test]
    fn a_proof_is_signed_by_the_key_that_it_names() {
        let key = ProofKey::generate().unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let proof = key
            .prove(
                "POST",
                "https://ca.example.test/api/v1/courier/orders?wait=5#x",
                Some("token"),
                Some(b"{}"),
                now,
            )
            .unwrap();
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let (header, claims) = (part(header), part(claims));
        assert_eq!(header["typ"], "dpop+jwt");
        assert_eq!(header["alg"], "ES256");
        assert_eq!(header["jwk"], key.jwk());
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["htu"], "https://ca.example.test/api/v1/courier/orders");
        assert_eq!(claims["iat"], 1_800_000_000);
        // SHA-256 of "token".
        assert_eq!(claims["ath"], "PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A");
        // SHA-256 of "{}".
        assert_eq!(
            claims["body_sha256"],
            "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o"
        );
        let mut point = vec![4];
        for coordinate in ["x", "y"] {
            let text = header["jwk"][coordinate].as_str().unwrap();
            point.extend(URL_SAFE_NO_PAD.decode(text).unwrap());
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
    }

    #[test]
    fn every_proof_and_every_key_is_another() {
        let key = ProofKey::generate().unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let proof = || {
            key.prove("GET", "https://ca.example.test/", None, None, now)
                .unwrap()
        };
        assert_ne!(proof(), proof());
        assert_ne!(key.thumbprint(), ProofKey::generate().unwrap().thumbprint());
        assert_eq!(URL_SAFE_NO_PAD.decode(key.thumbprint()).unwrap().len(), 32);
        let claims = part(proof().split('.').nth(1).unwrap());
        assert!(claims.get("ath").is_none() && claims.get("body_sha256").is_none());
    }
}
