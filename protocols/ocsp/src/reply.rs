//! Making a response: the bytes to sign, and the whole once they are signed (RFC 6960 §4.2.1).
//!
//! Two steps with the lint between them: [`Template::tbs`] gives what is to be signed, [`crate::lint::check`] turns it
//! into the proof that may be signed, [`Template::assemble`] takes the proof and the signature. Error answers are in
//! [`crate::ErrorStatus`].
//!
//! All is put together from octets; those that every response of a responder has are encoded once. What reads them back
//! is `wire.rs`, which knows the ASN.1.

use jiff::Timestamp;
use pki::encode::{SEQUENCE, wrap};
use pki::{Linted, OcspTbs, PublicKey, RevocationReason, SignatureAlgorithm, Tbs, time};

use crate::nonce::Nonce;
use crate::status::{CertStatus, SingleStatus, TimeFault};

const OCTET_STRING: u8 = 0x04;
/// `[0]`, explicit or of something constructed.
const CONTEXT_0: u8 = 0xa0;
/// `[1]`, explicit or of something constructed.
const CONTEXT_1: u8 = 0xa1;
/// `[2] EXPLICIT`: byKey.
const BY_KEY: u8 = 0xa2;
/// OBJECT IDENTIFIER `id-pkix-ocsp-basic`.
const BASIC: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// OBJECT IDENTIFIER `id-pkix-ocsp-nonce`.
const NONCE: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
/// Extended revoked definition (RFC 6960 §4.4.8): the OBJECT IDENTIFIER, and NULL in an OCTET STRING.
const EXTENDED_REVOKE: &[u8] = &[
    0x30, 0x0f, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x09, 0x04, 0x02, 0x05, 0x00,
];
/// responseStatus successful(0).
const SUCCESSFUL: &[u8] = &[0x0a, 0x01, 0x00];
/// certStatus good.
const GOOD: &[u8] = &[0x80, 0x00];
/// certStatus unknown.
const UNKNOWN: &[u8] = &[0x82, 0x00];

/// What all responses of a responder have in common.
#[derive(Clone, Debug)]
pub struct Template {
    algorithm: SignatureAlgorithm,
    responder_id: Vec<u8>,
    certificates: Vec<u8>,
}

/// What a response says.
#[derive(Debug, Clone, Copy)]
pub struct ResponseInput<'a> {
    /// producedAt.
    pub produced_at: Timestamp,
    /// One status for each CertID of the request, in its order. The reason `unspecified` is left out.
    pub statuses: &'a [SingleStatus],
    /// The request's nonce.
    pub nonce: Option<&'a Nonce>,
    /// Adds the extended revoked definition (RFC 6960 §4.4.8).
    pub is_extended_revoke: bool,
}

impl Template {
    /// Of the responder with this key, which names it (byKey, RFC 9919 §3.2.2). `certificates` are DER: the delegated
    /// responder's certificate, or none when the CA's own key signs (RFC 6960 §4.2.2.2).
    pub fn new(responder_key: &PublicKey, algorithm: SignatureAlgorithm, certificates: &[&[u8]]) -> Self {
        let certificates = if certificates.is_empty() {
            Vec::new()
        } else {
            wrap(CONTEXT_0, &[&wrap(SEQUENCE, certificates)])
        };
        Self {
            algorithm,
            responder_id: wrap(BY_KEY, &[&wrap(OCTET_STRING, &[&responder_key.key_id()])]),
            certificates,
        }
    }

    /// The bytes to sign. Times must lie between 1970 and 9999.
    pub fn tbs(&self, input: &ResponseInput<'_>) -> Result<Tbs<OcspTbs>, TimeFault> {
        let mut responses = Vec::with_capacity(128 * input.statuses.len());
        for status in input.statuses {
            responses.extend(single_response(status)?);
        }
        let mut extensions = Vec::new();
        if let Some(nonce) = input.nonce {
            let value = wrap(OCTET_STRING, &[&wrap(OCTET_STRING, &[nonce.as_bytes()])]);
            extensions = wrap(SEQUENCE, &[NONCE, &value]);
        }
        if input.is_extended_revoke {
            extensions.extend_from_slice(EXTENDED_REVOKE);
        }
        if !extensions.is_empty() {
            extensions = wrap(CONTEXT_1, &[&wrap(SEQUENCE, &[&extensions])]);
        }
        let der = wrap(
            SEQUENCE,
            &[
                &self.responder_id,
                &generalized(input.produced_at)?,
                &wrap(SEQUENCE, &[&responses]),
                &extensions,
            ],
        );
        Ok(Tbs::new(der, self.algorithm))
    }

    /// The whole OCSPResponse.
    pub fn assemble(&self, linted: Linted<Tbs<OcspTbs>>, signature: &[u8]) -> Vec<u8> {
        let basic = linted.assemble_with(signature, &self.certificates);
        let response = wrap(SEQUENCE, &[BASIC, &wrap(OCTET_STRING, &[&basic])]);
        wrap(SEQUENCE, &[SUCCESSFUL, &wrap(CONTEXT_0, &[&response])])
    }
}

/// SingleResponse. The reason `unspecified` is said by leaving the reason out (RFC 5280 §5.3.1).
fn single_response(single: &SingleStatus) -> Result<Vec<u8>, TimeFault> {
    let revoked;
    let status = match single.status {
        CertStatus::Good => GOOD,
        CertStatus::Unknown => UNKNOWN,
        CertStatus::Revoked { at, reason } => {
            let code = reason.map_or(0, RevocationReason::code);
            let reason: &[u8] = if code == 0 {
                &[]
            } else {
                &[CONTEXT_0, 0x03, 0x0a, 0x01, code]
            };
            revoked = wrap(CONTEXT_1, &[&generalized(at)?, reason]);
            &revoked
        }
    };
    let next_update = match single.next_update {
        Some(at) => wrap(CONTEXT_0, &[&generalized(at)?]),
        None => Vec::new(),
    };
    Ok(wrap(
        SEQUENCE,
        &[
            &single.cert_id.to_octets(),
            status,
            &generalized(single.this_update)?,
            &next_update,
        ],
    ))
}

fn generalized(at: Timestamp) -> Result<Vec<u8>, TimeFault> {
    if at < Timestamp::UNIX_EPOCH {
        return Err(TimeFault(at));
    }
    Ok(time::generalized(at))
}

#[cfg(test)]
mod tests;
