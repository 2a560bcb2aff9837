//! base64url without padding (RFC 7515 §2), in its one canonical form: no padding, no line ends, no stray bits at the end.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

pub(crate) fn encode(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Nothing when the text is not the one form that [`encode`] writes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The base64 with padding that `x5c` has (RFC 7515 §4.1.6).
pub(crate) fn encode_standard(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

pub(crate) fn decode_standard(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_read() {
        assert_eq!(decode("AQAB").unwrap(), [1, 0, 1]);
        assert_eq!(decode("AQ").unwrap(), [1]);
        for refused in ["AQ==", "AR", "A", "A Q", "AQ\n", "+/+/", "AQAB="] {
            assert_eq!(decode(refused), None, "{refused:?}");
        }
    }
}
