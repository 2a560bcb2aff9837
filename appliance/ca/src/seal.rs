//! Sealing: linted bytes go to the signer, and a signature comes back that has been verified.
//!
//! A token that signs with the wrong key, or garbles a signature, is found here, before anybody else sees it.

use std::sync::Arc;
use std::time::Instant;

use pki::key::{BadSignature, Verifier};
use pki::{KeyFingerprint, Linted, PublicKey, SignatureAlgorithm, Tbs};
use signer_wire::Priority;

use crate::authority::Authority;
use crate::signer::SignFault;

/// Who signs: the key's name for the signer, and its public half for the check.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    pub(crate) key: KeyFingerprint,
    pub(crate) public_key: PublicKey,
    verifier: Option<Arc<Verifier>>,
}

impl Signing {
    /// A key that makes signatures of this algorithm.
    pub(crate) fn new(public_key: PublicKey, algorithm: SignatureAlgorithm) -> Self {
        Self {
            key: public_key.fingerprint(),
            verifier: Verifier::new(&public_key, algorithm).map(Arc::new),
            public_key,
        }
    }

    fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        match &self.verifier {
            Some(verifier) if verifier.algorithm() == algorithm => verifier.verify(message, signature),
            _ => self.public_key.verify(algorithm, message, signature),
        }
    }
}

/// What is signed, for the metrics and the signer's queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Certificate,
    Crl,
    Ocsp,
    OcspAhead,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
            Self::OcspAhead => "ocsp_ahead",
        }
    }

    fn priority(self) -> Priority {
        match self {
            Self::Certificate => Priority::Issuance,
            Self::Crl => Priority::Revocation,
            Self::Ocsp => Priority::OcspOnDemand,
            Self::OcspAhead => Priority::PreSigning,
        }
    }
}

impl Authority {
    /// Signs linted bytes and verifies the signature with the public key.
    pub(crate) async fn seal<K>(
        &self,
        signing: &Signing,
        linted: &Linted<Tbs<K>>,
        purpose: Purpose,
    ) -> Result<Vec<u8>, SignFault> {
        let inner = self.inner();
        let started = Instant::now();
        let (algorithm, deadline) = (linted.algorithm(), inner.settings.sign_deadline);
        let outcome = inner
            .signer
            .sign(signing.key, algorithm, linted.der(), purpose.priority(), deadline)
            .await;
        let outcome =
            outcome.and_then(
                |signature| match signing.verify(algorithm, linted.der(), &signature) {
                    Ok(()) => Ok(signature),
                    Err(_) => Err(SignFault::unexpected(
                        "the signer's signature does not verify with the issuer's public key",
                    )),
                },
            );
        inner
            .metrics
            .signed(purpose, started.elapsed(), outcome.as_ref().err());
        outcome
    }
}
