//! One entry of revokedCertificates in DER, with what its place and its list's lint need to know of it.

use crate::serial::Serial;

/// An entry in DER. Only the lint makes one, out of bytes it has read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEntry {
    pub(crate) der: Vec<u8>,
    pub(crate) serial: Serial,
    /// Seconds since 1970.
    pub(crate) revoked_at: i64,
    /// Whether its reason is removeFromCRL.
    pub(crate) is_removal: bool,
}
