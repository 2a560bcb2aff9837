//! What can be wrong with a request, and the unsigned answers that say so (RFC 6960 §2.3, §4.2.1).
//!
//! Every fault maps to one error status. The answers are constants: nothing is encoded or signed to refuse.

use std::fmt;

/// Why a request was refused. [`RequestFault::status`] is what the client is told; `Display` is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// Longer than [`crate::MAX_REQUEST_LEN`].
    #[error("request is longer than {} octets", crate::MAX_REQUEST_LEN)]
    TooLong,
    /// Not DER, or DER that is no OCSPRequest.
    #[error("request is not the DER of an OCSPRequest")]
    Der(#[from] der::Error),
    /// DER of the right shape with a value that RFC 6960 does not allow.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// More CertIDs than [`crate::MAX_CERT_IDS`].
    #[error("request asks for more than {} certificates", crate::MAX_CERT_IDS)]
    TooManyCertIds,
    /// A CertID hashed by something else than SHA-1 or SHA-256: well formed, but of no issuer known here.
    #[error("CertID uses a hash algorithm other than SHA-1 and SHA-256")]
    UnsupportedHash,
    /// A critical extension that is not understood (RFC 6960 §4.4).
    #[error("critical extension {0} is not understood")]
    CriticalExtension(der::asn1::ObjectIdentifier),
    /// Nonce of no octets or of more than 128 (RFC 9654 §2.1).
    #[error("nonce must have 1 to {} octets", crate::nonce::MAX_NONCE_LEN)]
    Nonce,
}

impl RequestFault {
    /// The status for the wire. A hash algorithm that is not served is no fault of form, so it is answered as RFC
    /// 9919 §3.2.3 answers a certificate it holds no record of.
    pub const fn status(&self) -> ErrorStatus {
        match self {
            Self::UnsupportedHash => ErrorStatus::Unauthorized,
            _ => ErrorStatus::MalformedRequest,
        }
    }
}

/// The statuses of an OCSPResponse without a body (RFC 6960 §4.2.1, OCSPResponseStatus; 4 is not used).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorStatus {
    /// malformedRequest (1).
    MalformedRequest,
    /// internalError (2).
    InternalError,
    /// tryLater (3): overload.
    TryLater,
    /// sigRequired (5); never sent by this responder, met by the client side.
    SigRequired,
    /// unauthorized (6): not authoritative for this certificate (RFC 9919 §3.2.3).
    Unauthorized,
}

impl ErrorStatus {
    /// The whole OCSPResponse.
    pub const fn der(self) -> &'static [u8] {
        match self {
            Self::MalformedRequest => &[0x30, 0x03, 0x0a, 0x01, 0x01],
            Self::InternalError => &[0x30, 0x03, 0x0a, 0x01, 0x02],
            Self::TryLater => &[0x30, 0x03, 0x0a, 0x01, 0x03],
            Self::SigRequired => &[0x30, 0x03, 0x0a, 0x01, 0x05],
            Self::Unauthorized => &[0x30, 0x03, 0x0a, 0x01, 0x06],
        }
    }

    /// The status as RFC 6960 spells it; also the value of metrics' labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SigRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::MalformedRequest),
            2 => Some(Self::InternalError),
            3 => Some(Self::TryLater),
            5 => Some(Self::SigRequired),
            6 => Some(Self::Unauthorized),
            _ => None,
        }
    }
}

impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
