//! Sealing: linted bytes go to the signer, and a signature comes back that has been verified.
//!
//! A token that signs with the wrong key, or garbles a signature, is found here, before anybody else sees it.

use std::sync::Arc;
use std::time::Instant;

use pki::crl::CrlParts;
use pki::{DigestAlgorithm, KeyFingerprint, Linted, PublicKey, Tbs};
use signer_wire::Priority;

use crate::authority::Authority;
use crate::signer::SignFault;

/// Who signs: the key's name for the signer, and its public half for the check.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    pub(crate) key: KeyFingerprint,
    pub(crate) public_key: PublicKey,
}

/// What is signed, for the metrics and the signer's queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Certificate,
    Crl,
    Ocsp,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
        }
    }

    fn priority(self) -> Priority {
        match self {
            Self::Certificate => Priority::Issuance,
            Self::Crl => Priority::Revocation,
            Self::Ocsp => Priority::OcspOnDemand,
        }
    }
}

/// A signature over pieces, and the digest that says which pieces.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) signature: Vec<u8>,
    pub(crate) digest: Vec<u8>,
}

impl Authority {
    /// Signs linted pieces and verifies the signature with the public key. They are hashed once, and only their digest goes
    /// to the signer, where the algorithm signs one.
    pub(crate) async fn seal_parts(
        &self,
        signing: &Signing,
        linted: &Arc<Linted<CrlParts>>,
        purpose: Purpose,
    ) -> Result<Sealed, SignFault> {
        let started = Instant::now();
        let algorithm = linted.algorithm();
        let pieces = Arc::clone(linted);
        let digest = tokio::task::spawn_blocking(move || {
            let digest = algorithm.digest().unwrap_or(DigestAlgorithm::Sha256);
            digest.digest_pieces(pieces.pieces())
        });
        let digest = digest
            .await
            .map_err(|error| SignFault::unexpected(error.to_string()))?;
        let (inner, key) = (self.inner(), signing.key);
        let (priority, deadline) = (purpose.priority(), inner.settings.sign_deadline);
        let (signer, public_key) = (&inner.signer, &signing.public_key);
        let outcome = if algorithm.digest().is_some() {
            let signature = signer
                .sign_digest(key, algorithm, &digest, priority, deadline)
                .await;
            signature.map(|signature| {
                (
                    public_key.verify_digest(algorithm, &digest, &signature),
                    signature,
                )
            })
        } else {
            // These sign the message itself: it has to be in one piece.
            let message: Vec<u8> = linted.pieces().flatten().copied().collect();
            let signature = signer.sign(key, algorithm, &message, priority, deadline).await;
            signature.map(|signature| (public_key.verify(algorithm, &message, &signature), signature))
        };
        let outcome =
            outcome.and_then(|(verdict, signature)| verdict.map(|()| signature).map_err(|_| unverified()));
        inner
            .metrics
            .signed(purpose, started.elapsed(), outcome.as_ref().err());
        outcome.map(|signature| Sealed {
            signature,
            digest: digest.as_bytes().to_vec(),
        })
    }

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
        let outcome = outcome.and_then(|signature| {
            match signing.public_key.verify(algorithm, linted.der(), &signature) {
                Ok(()) => Ok(signature),
                Err(_) => Err(unverified()),
            }
        });
        inner
            .metrics
            .signed(purpose, started.elapsed(), outcome.as_ref().err());
        outcome
    }
}

fn unverified() -> SignFault {
    SignFault::unexpected("the signer's signature does not verify with the issuer's public key")
}
