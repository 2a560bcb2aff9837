//! Whether a response is to be believed (RFC 6960 §3.2, §4.2.2).
//!
//! A response is accepted from two signers only: the key of the CA that issued the certificate asked about, or a
//! responder with a certificate issued directly by that CA for OCSP signing. A locally trusted third responder
//! (§4.2.2.2 item 1) is absent on purpose.

use std::time::Duration;

use const_oid::db::rfc5280::ID_KP_OCSP_SIGNING;
use const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE;
use jiff::Timestamp;
use pki::{Certificate, PublicKey};

use crate::cert_id::{CertId, IssuerHash};
use crate::nonce::Nonce;
use crate::response::SignedResponse;
use crate::response_data::ResponderId;
use crate::status::SingleStatus;

/// What the client asked, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The CA that issued the certificates asked about, itself already trusted.
    pub issuer: &'a Certificate,
    /// The CertIDs asked for.
    pub cert_ids: &'a [CertId],
    /// The nonce sent; the response must repeat it.
    pub nonce: Option<&'a Nonce>,
    /// Now.
    pub at: Timestamp,
    /// How far the clocks may differ.
    pub skew: Duration,
}

/// Why a response is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyFault {
    /// A CertID asked for does not name the issuer given: a mistake of the caller.
    #[error("the certificate asked about was not issued by the given CA")]
    ForeignCertId,
    /// Neither the CA nor a certificate sent along is the responder named.
    #[error("no certificate of the responder is at hand")]
    UnknownResponder,
    /// The responder's certificate does not entitle it to answer for this CA.
    #[error("responder is not authorised: {0}")]
    Unauthorised(&'static str),
    /// The signature is not the responder's.
    #[error("signature of the response is wrong")]
    Signature,
    /// The nonce sent was not repeated.
    #[error("response carries no nonce")]
    NonceMissing,
    /// Another nonce came back.
    #[error("response carries the nonce of another request")]
    NonceMismatch,
    /// A critical extension that is not understood.
    #[error("critical extension {0} of the response is not understood")]
    CriticalExtension(der::asn1::ObjectIdentifier),
    /// A certificate asked about has no status in the response.
    #[error("response has no status for a certificate asked about")]
    StatusMissing,
    /// producedAt or thisUpdate is in the future.
    #[error("status is not yet valid: {0}")]
    NotYetValid(Timestamp),
    /// nextUpdate is past.
    #[error("status is stale since {0}")]
    Stale(Timestamp),
}

impl SignedResponse {
    /// Checks signer, signature, nonce and times; gives the statuses in the order of `expected.cert_ids`.
    pub fn verify(&self, expected: &Expectation<'_>) -> Result<Vec<&SingleStatus>, VerifyFault> {
        let issuer_key = expected.issuer.public_key();
        for cert_id in expected.cert_ids {
            let issuer = IssuerHash::for_issuer(
                cert_id.hash_algorithm(),
                expected.issuer.subject().der(),
                issuer_key,
            );
            if issuer != *cert_id.issuer() {
                return Err(VerifyFault::ForeignCertId);
            }
        }
        if is_named(&self.data.responder_id, expected.issuer) {
            self.check_signature(issuer_key)?;
        } else {
            self.check_signature(self.delegate(expected)?.public_key())?;
        }
        self.check_extensions(expected.nonce)?;
        expected
            .cert_ids
            .iter()
            .map(|cert_id| self.current_status(cert_id, expected))
            .collect()
    }

    fn check_signature(&self, key: &PublicKey) -> Result<(), VerifyFault> {
        key.verify(self.algorithm, &self.tbs_der, &self.signature)
            .map_err(|_| VerifyFault::Signature)
    }

    /// The delegated responder's certificate (RFC 6960 §4.2.2.2).
    fn delegate(&self, expected: &Expectation<'_>) -> Result<Certificate, VerifyFault> {
        let certificate = self
            .certificates
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .find(|certificate| is_named(&self.data.responder_id, certificate))
            .ok_or(VerifyFault::UnknownResponder)?;
        if certificate.issuer().der() != expected.issuer.subject().der()
            || certificate
                .verify_signed_by(expected.issuer.public_key())
                .is_err()
        {
            return Err(VerifyFault::Unauthorised(
                "its certificate is not issued by the CA",
            ));
        }
        if !certificate.extended_key_usage().contains(&ID_KP_OCSP_SIGNING) {
            return Err(VerifyFault::Unauthorised(
                "its certificate is not for OCSP signing",
            ));
        }
        if !certificate
            .key_usage()
            .is_none_or(|usage| usage.digital_signature())
        {
            return Err(VerifyFault::Unauthorised("its key is not for signatures"));
        }
        if expected.at < certificate.not_before() || certificate.not_after() < expected.at {
            return Err(VerifyFault::Unauthorised("its certificate is not valid now"));
        }
        Ok(certificate)
    }

    fn check_extensions(&self, nonce: Option<&Nonce>) -> Result<(), VerifyFault> {
        let not_understood = self
            .data
            .extensions
            .iter()
            .find(|extension| extension.critical && extension.oid != ID_PKIX_OCSP_NONCE);
        if let Some(extension) = not_understood {
            return Err(VerifyFault::CriticalExtension(extension.oid));
        }
        let Some(sent) = nonce else { return Ok(()) };
        match self.data.nonce() {
            Some(received) if received == *sent => Ok(()),
            Some(_) => Err(VerifyFault::NonceMismatch),
            None => Err(VerifyFault::NonceMissing),
        }
    }

    fn current_status(
        &self,
        cert_id: &CertId,
        expected: &Expectation<'_>,
    ) -> Result<&SingleStatus, VerifyFault> {
        let status = self
            .data
            .statuses
            .iter()
            .find(|status| status.cert_id.names_same_certificate(cert_id))
            .ok_or(VerifyFault::StatusMissing)?;
        let latest = later(expected.at, expected.skew);
        for begin in [status.this_update, self.data.produced_at] {
            if begin > latest {
                return Err(VerifyFault::NotYetValid(begin));
            }
        }
        match status.next_update {
            Some(end) if later(end, expected.skew) < expected.at => Err(VerifyFault::Stale(end)),
            _ => Ok(status),
        }
    }
}

fn is_named(responder: &ResponderId, certificate: &Certificate) -> bool {
    match responder {
        ResponderId::ByKey(hash) => certificate.public_key().key_id() == *hash,
        ResponderId::ByName(name) => certificate.subject().der() == name,
    }
}

/// `time + skew`, at most the last representable time.
fn later(time: Timestamp, skew: Duration) -> Timestamp {
    time.checked_add(skew).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
