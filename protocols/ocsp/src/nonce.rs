//! The nonce that ties a response to its request (RFC 6960 §4.4.1, RFC 9654).
//!
//! A nonce is the value of the inner OCTET STRING. Bare octets in extnValue, which RFC 2560 left open, are refused:
//! they cannot be told from a damaged nonce, and RFC 9654 §2.1 asks for malformedRequest.

use der::asn1::OctetStringRef;
use der::{Decode, Encode};

use crate::fault::RequestFault;

/// Longest nonce a server accepts (RFC 9654 §2.1).
pub const MAX_NONCE_LEN: usize = 128;

/// Octets a client should send (RFC 9654 §2.1).
pub const RECOMMENDED_NONCE_LEN: usize = 32;

/// A nonce of 1 to 128 octets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nonce(Box<[u8]>);

impl Nonce {
    /// Takes octets drawn by the caller (this crate has no randomness); [`RECOMMENDED_NONCE_LEN`] is the length to draw.
    pub fn new(octets: &[u8]) -> Result<Self, RequestFault> {
        if octets.is_empty() || octets.len() > MAX_NONCE_LEN {
            return Err(RequestFault::Nonce);
        }
        Ok(Self(octets.into()))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn from_extension_value(value: &[u8]) -> Result<Self, RequestFault> {
        Self::new(<&OctetStringRef>::from_der(value)?.as_bytes())
    }

    pub(crate) fn to_extension_value(&self) -> der::Result<Vec<u8>> {
        OctetStringRef::new(&self.0)?.to_der()
    }
}
