//! What is held against what is shown where there is no credential to hold it against, so that the time taken does not tell whether
//! there is one: a signature is verified by a key that nobody has, and a chain is looked for that is not there.
//!
//! Keys that have to be fetched first are asked for alike once their issuer was heard of (`issuer_keys`): until then a courier that
//! is bound to it is the one that waits for the issuer.

use std::sync::LazyLock;

use jose::{Jws, KeySet, VerifyKey};
use uuid::Uuid;

use super::certificate::ShownCertificate;
use crate::authority::Authority;
use crate::courier::binding::CertificateBinding;
use crate::courier::session::Denial;

/// One public key of each kind. Their private halves were never kept, and what they would prove is refused as well.
static KEYS: LazyLock<Option<KeySet>> =
    LazyLock::new(|| KeySet::parse(include_bytes!("stand_in_keys.json")).ok());

/// Verifies a signature in vain; whether there was a key for it.
pub(super) fn verify(jws: &Jws) -> bool {
    let header = jws.header();
    let mut keys = KEYS.iter().flat_map(|keys| keys.find(None, header.alg));
    let key = keys.find_map(|key| VerifyKey::from_jwk(key).ok());
    key.is_some_and(|key| {
        let _ = std::hint::black_box(key.verify(jws));
        true
    })
}

impl Authority {
    /// What a token of an issuer to which no credential of the courier is bound costs and is told: `denial`. Where some other courier's
    /// is, what that one would be told.
    pub(super) async fn prove_token_in_vain(
        &self,
        token: &str,
        issuer: Option<&str>,
        denial: Denial,
    ) -> Denial {
        let heard_of = match issuer {
            Some(issuer) => self.inner().couriers.issuer_keys.source_of(issuer).await,
            None => None,
        };
        if let (Some(issuer), Some(source)) = (issuer, heard_of) {
            return match self.verified_claims(token, issuer, &source).await {
                Err(away @ Denial::Known(_)) => away,
                _ => denial,
            };
        }
        if let Ok(jws) = Jws::parse(token) {
            verify(&jws);
        }
        denial
    }

    /// What a certificate costs that is held against no credential.
    pub(super) async fn prove_certificate_in_vain(&self, shown: &ShownCertificate) -> Result<(), Denial> {
        let issuers = self.trusted_issuers();
        let wanted = CertificateBinding {
            issuer: issuers.first().map(|issuer| issuer.name.clone()),
            ..CertificateBinding::default()
        };
        let _ = self.judge_certificate(&wanted, shown);
        self.judge_renewal(Uuid::nil(), shown).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jose::Algorithm;

    use super::*;

    #[test]
    fn there_is_a_key_for_every_algorithm() {
        for algorithm in Algorithm::ALL {
            let header = format!(r#"{{"alg":"{algorithm}"}}"#);
            let part = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
            let text = format!("{}.{}.{}", part(header.as_bytes()), part(b"{}"), part(&[1; 256]));
            assert!(verify(&Jws::parse(&text).unwrap()), "{algorithm}");
        }
    }
}
