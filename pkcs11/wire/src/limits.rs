//! The bounds of every variable-length field; a decoder checks them before it allocates, and what is for people is cut to them.

/// Most signatures asked for in one batch.
pub const MAX_BATCH: usize = 1024;

/// Longest label of a key, token or error text, in octets.
pub const MAX_LABEL: usize = 255;

/// Longest error text, in octets.
pub(crate) const MAX_TEXT: usize = 4096;

/// Longest message to be signed, in octets. Longer inputs (large CRLs) travel as a digest.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// Longest PKCS#8 key to be imported, in octets (an RSA key of 8192 bits has under 5 KiB).
pub const MAX_PKCS8: usize = 64 * 1024;

/// Longest public key of a recipient as JSON, in octets (P-521 has under 300).
pub const MAX_RECIPIENT: usize = 4 * 1024;

/// Longest name of a party or an order in an envelope, in octets.
pub const MAX_PARTY: usize = 256;

/// Longest envelope, in octets (that of an RSA key of 4096 bits has under 6 KiB).
pub const MAX_ENVELOPE: usize = 64 * 1024;

/// Longest SubjectPublicKeyInfo, in octets (ML-DSA-87 has 2 614).
pub const MAX_SPKI: usize = 16 * 1024;

/// Longest signature, in octets (ML-DSA-87 has 4 627).
pub const MAX_SIGNATURE: usize = 64 * 1024;

/// Most keys in one listing.
pub const MAX_KEYS: usize = 4096;

/// Most tokens named in one record or status.
pub(crate) const MAX_TOKENS: usize = 256;

/// As much of a text as fits into so many octets.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
