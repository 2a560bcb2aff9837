//! Sealing: linted bytes go to the signer, and a signature comes back that has been verified, or is one of many of its kind.
//!
//! A token that signs with the wrong key, or garbles a signature, is found here, before anybody else sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use pki::crl::CrlParts;
use pki::key::{BadSignature, Verifier};
use pki::{DigestAlgorithm, KeyFingerprint, Linted, PublicKey, SignatureAlgorithm, Tbs};
use signer_wire::Priority;

use crate::authority::Authority;
use crate::background;
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
    Audit,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
            Self::OcspAhead => "ocsp_presign",
            Self::Audit => "audit",
        }
    }

    pub(crate) fn priority(self) -> Priority {
        match self {
            Self::Certificate => Priority::Issuance,
            Self::Crl => Priority::Revocation,
            Self::Ocsp => Priority::OcspOnDemand,
            Self::OcspAhead => Priority::PreSigning,
            Self::Audit => Priority::Audit,
        }
    }
}

/// Which signatures are verified: all that cannot be taken back, and of OCSP answers signed by ECDSA a sample.
///
/// A certificate or CRL with a bad signature would be recorded and published. An OCSP answer is thrown away by whoever gets it,
/// and verifying costs as much as signing, so of these one in sixteen is looked at, and all of them for a while after one was
/// bad. Not of RSA, where one faulty signature can give the key away and verifying is cheap, nor of what is deterministic.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    /// Counts down to the next check.
    unchecked: AtomicU32,
    /// How many are checked without exception.
    alarmed: AtomicU32,
}

/// One in so many is verified.
const SAMPLE: u32 = 16;
/// So many are verified after one was bad.
const ALARM: u32 = 1000;

impl Checks {
    fn is_due(&self, purpose: Purpose, algorithm: SignatureAlgorithm) -> bool {
        if !matches!(purpose, Purpose::Ocsp | Purpose::OcspAhead) || !algorithm.is_ecdsa() {
            return true;
        }
        let less_one = |left: u32| left.checked_sub(1);
        if self
            .alarmed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one)
            .is_ok()
        {
            return true;
        }
        self.unchecked
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(SAMPLE)
    }

    fn failed(&self) {
        self.alarmed.store(ALARM, Ordering::Relaxed);
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
        let digest = background::run(move || {
            let digest = algorithm.digest().unwrap_or(DigestAlgorithm::Sha256);
            digest.digest_pieces(background::in_turns(pieces.pieces()))
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

    /// Signs linted bytes and verifies the signature with the public key, as far as [`Checks`] says.
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
            if !inner.checks.is_due(purpose, algorithm) {
                return Ok(signature);
            }
            signing
                .verify(algorithm, linted.der(), &signature)
                .map(|()| signature)
                .map_err(|_| {
                    inner.checks.failed();
                    unverified()
                })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ocsp_answers_by_ecdsa_are_sampled_and_all_are_checked_after_a_bad_one() {
        let checks = Checks::default();
        let ecdsa = SignatureAlgorithm::EcdsaSha256;
        let due = |checks: &Checks, purpose, algorithm, of: u32| {
            (0..of).filter(|_| checks.is_due(purpose, algorithm)).count()
        };
        assert_eq!(due(&checks, Purpose::Certificate, ecdsa, 64), 64);
        assert_eq!(due(&checks, Purpose::Crl, ecdsa, 64), 64);
        assert_eq!(
            due(&checks, Purpose::Ocsp, SignatureAlgorithm::RsaPkcs1Sha256, 64),
            64
        );
        assert_eq!(
            due(&checks, Purpose::OcspAhead, SignatureAlgorithm::Ed25519, 64),
            64
        );
        assert!(checks.is_due(Purpose::Ocsp, ecdsa), "the first is looked at");
        assert_eq!(due(&checks, Purpose::Ocsp, ecdsa, 159), 9);
        checks.failed();
        assert_eq!(due(&checks, Purpose::OcspAhead, ecdsa, 1000), 1000);
        assert_eq!(due(&checks, Purpose::Ocsp, ecdsa, 160), 10);
    }
}
