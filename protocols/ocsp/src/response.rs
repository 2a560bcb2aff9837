//! OCSPResponse as a client reads it (RFC 6960 §4.2.1): form only; whether to believe it is said by `verify.rs`.

use const_oid::db::rfc6960::ID_PKIX_OCSP_BASIC;
use der::{Decode, Encode};
use pki::SignatureAlgorithm;

use crate::fault::ErrorStatus;
use crate::response_data::ResponseData;
use crate::wire;

/// Longest response read, in octets: room for 64 statuses, and certificates and signature of ML-DSA-87.
pub const MAX_RESPONSE_LEN: usize = 256 * 1024;

/// Why octets are no response that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseFault {
    /// Longer than [`MAX_RESPONSE_LEN`].
    #[error("response is longer than {MAX_RESPONSE_LEN} octets")]
    TooLong,
    /// Not DER, or DER that is no OCSPResponse.
    #[error("response is not the DER of an OCSPResponse")]
    Der(#[from] der::Error),
    /// The shape is right, a value is not.
    #[error("malformed response: {0}")]
    Malformed(&'static str),
    /// Signed in a way that this library does not verify.
    #[error("response is signed with an unknown algorithm")]
    UnknownAlgorithm,
}

/// An answer of a responder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// No body: the responder declined.
    Declined(ErrorStatus),
    /// A signed body.
    Signed(SignedResponse),
}

/// BasicOCSPResponse, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedResponse {
    pub(crate) data: ResponseData,
    pub(crate) tbs_der: Vec<u8>,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) signature: Vec<u8>,
    pub(crate) certificates: Vec<Vec<u8>>,
}

impl Response {
    /// Reads the DER of an OCSPResponse.
    pub fn parse(der: &[u8]) -> Result<Self, ResponseFault> {
        if der.len() > MAX_RESPONSE_LEN {
            return Err(ResponseFault::TooLong);
        }
        let wire = wire::OcspResponse::from_der(der)?;
        match (
            ErrorStatus::from_code(wire.response_status as u8),
            wire.response_bytes,
        ) {
            (Some(status), None) => Ok(Self::Declined(status)),
            (Some(_), Some(_)) => Err(ResponseFault::Malformed("error status with a body")),
            (None, None) => Err(ResponseFault::Malformed("successful without a body")),
            (None, Some(body)) if body.response_type == ID_PKIX_OCSP_BASIC => {
                SignedResponse::parse(body.response.as_bytes()).map(Self::Signed)
            }
            (None, Some(_)) => Err(ResponseFault::Malformed("response type is not basic")),
        }
    }
}

impl SignedResponse {
    fn parse(der: &[u8]) -> Result<Self, ResponseFault> {
        let wire = wire::BasicResponse::from_der(der)?;
        let tbs_der = wire.tbs_response_data.to_der()?;
        Ok(Self {
            data: ResponseData::parse(&tbs_der)?,
            tbs_der,
            algorithm: SignatureAlgorithm::from_identifier(&wire.signature_algorithm)
                .map_err(|_| ResponseFault::UnknownAlgorithm)?,
            signature: wire
                .signature
                .as_bytes()
                .ok_or(ResponseFault::Malformed("signature is not whole octets"))?
                .to_vec(),
            certificates: wire
                .certs
                .unwrap_or_default()
                .iter()
                .map(Encode::to_der)
                .collect::<der::Result<_>>()?,
        })
    }

    /// What was signed. Nothing of it is to be believed before [`SignedResponse::verify`].
    pub const fn data(&self) -> &ResponseData {
        &self.data
    }

    /// The signed octets.
    pub fn tbs_der(&self) -> &[u8] {
        &self.tbs_der
    }

    /// signatureAlgorithm.
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// certs: DER of the certificates sent along.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests;
