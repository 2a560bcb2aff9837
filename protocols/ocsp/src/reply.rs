//! Making a response: the bytes to sign, and the whole once they are signed (RFC 6960 §4.2.1).
//!
//! Two steps with the lint between them: [`response_tbs`] gives what is to be signed, [`crate::lint::check`] turns it
//! into the proof that may be signed, [`assemble`] takes the proof and the signature. Error answers are in
//! [`crate::ErrorStatus`].

use const_oid::db::rfc6960::ID_PKIX_OCSP_BASIC;
use der::Encode;
use der::asn1::OctetString;
use jiff::Timestamp;
use pki::{Linted, OcspTbs, PublicKey, SignatureAlgorithm, Tbs};

use crate::nonce::Nonce;
use crate::response_data::{Extension, ResponderId, ResponseData, WriteFault};
use crate::status::SingleStatus;
use crate::wire;

/// What a response says.
#[derive(Debug, Clone, Copy)]
pub struct ResponseInput<'a> {
    /// The key that will sign; names the responder (byKey, RFC 9919 §3.2.2).
    pub responder_key: &'a PublicKey,
    /// How it will sign; written into the response and into the signer's order.
    pub algorithm: SignatureAlgorithm,
    /// producedAt.
    pub produced_at: Timestamp,
    /// One status for each CertID of the request, in its order. The reason `unspecified` is left out.
    pub statuses: &'a [SingleStatus],
    /// The request's nonce.
    pub nonce: Option<&'a Nonce>,
    /// Adds the extended revoked definition (RFC 6960 §4.4.8).
    pub is_extended_revoke: bool,
}

/// The bytes to sign.
pub fn response_tbs(input: &ResponseInput<'_>) -> Result<Tbs<OcspTbs>, WriteFault> {
    let mut extensions = Vec::new();
    if let Some(nonce) = input.nonce {
        extensions.push(Extension::nonce(nonce)?);
    }
    if input.is_extended_revoke {
        extensions.push(Extension::extended_revoke());
    }
    let data = ResponseData {
        responder_id: ResponderId::ByKey(input.responder_key.key_id()),
        produced_at: input.produced_at,
        statuses: input
            .statuses
            .iter()
            .map(SingleStatus::without_unspecified_reason)
            .collect(),
        extensions,
    };
    Ok(Tbs::new(data.to_der()?, input.algorithm))
}

/// The whole OCSPResponse. `certificates` are DER: the delegated responder's certificate, or none when the CA's own
/// key signed (RFC 6960 §4.2.2.2).
pub fn assemble(
    linted: Linted<Tbs<OcspTbs>>,
    signature: &[u8],
    certificates: &[&[u8]],
) -> Result<Vec<u8>, WriteFault> {
    let basic = linted.assemble_with(signature, certificates);
    let response = wire::OcspResponse {
        response_status: wire::ResponseStatus::Successful,
        response_bytes: Some(wire::ResponseBytes {
            response_type: ID_PKIX_OCSP_BASIC,
            response: OctetString::new(basic)?,
        }),
    };
    Ok(response.to_der()?)
}

#[cfg(test)]
mod tests;
