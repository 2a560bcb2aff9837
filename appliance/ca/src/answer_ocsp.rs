//! OCSP answers: parsed, looked up in memory, signed when no signed answer is at hand.

use bytes::Bytes;
use jiff::Timestamp;
use pki::Serial;
use uuid::Uuid;

use crate::authority::Authority;

/// What an answer says, for logs and metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OcspAnswerKind {
    /// Signed: every certificate asked for is good.
    Good,
    /// Signed: at least one is revoked.
    Revoked,
    /// Signed: at least one is unknown, and none revoked.
    Unknown,
    /// Unsigned: the request cannot be read.
    MalformedRequest,
    /// Unsigned: not an issuer of ours, or not the one of this address.
    Unauthorized,
    /// Unsigned: too much to do, or the signer is away.
    TryLater,
    /// Unsigned: a fault of ours.
    InternalError,
}

/// From when until when an answer holds, for the cache headers of RFC 9919 §7.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Freshness {
    /// producedAt.
    pub produced_at: Timestamp,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// A strong entity tag, with its quotes.
    pub etag: String,
}

/// An OCSPResponse, ready to be sent.
#[derive(Clone, Debug)]
pub struct OcspAnswer {
    /// DER of the OCSPResponse.
    pub der: Bytes,
    /// What it says.
    pub kind: OcspAnswerKind,
    /// Present when caches may keep it: signed, and without a nonce.
    pub cacheable: Option<Freshness>,
}

impl Authority {
    /// Answers a request in DER that came to an issuer's address. There is always an answer.
    pub async fn answer_ocsp(&self, issuer_id: Uuid, request: &[u8]) -> OcspAnswer {
        todo!()
    }

    /// Answers for one serial of an issuer, as asked by the short address; the CertID of the answer is hashed by SHA-1.
    pub async fn answer_ocsp_serial(&self, issuer_id: Uuid, serial: Serial) -> OcspAnswer {
        todo!()
    }
}
