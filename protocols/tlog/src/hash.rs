//! The hashes of the tree: SHA-256 with a prefix that tells leaves from nodes.

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Octets of a hash.
pub const HASH_LEN: usize = 32;

/// A Merkle Tree Hash (RFC 6962 §2.1, RFC 9162 §2.1.1). Printed as lower-case hex; notes have it in base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; HASH_LEN]);

/// The text is not the base64 of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the base64 of {HASH_LEN} octets")]
pub struct NoHash;

impl Hash {
    /// The root of a tree without leaves: SHA-256 of nothing.
    pub fn of_nothing() -> Self {
        Self::of([])
    }

    /// Of a leaf: `SHA-256(0x00 || entry)`.
    pub fn of_leaf(entry: &[u8]) -> Self {
        Self::of([&[0x00], entry])
    }

    /// Of a node above two others: `SHA-256(0x01 || left || right)`.
    pub fn of_children(left: &Self, right: &Self) -> Self {
        Self::of([&[0x01], left.as_bytes(), right.as_bytes()])
    }

    /// Reads the base64 of RFC 4648 §4, padded and without loose bits: a hash has one spelling.
    pub fn from_base64(text: &str) -> Result<Self, NoHash> {
        let mut hash = Self([0; HASH_LEN]);
        let length = STANDARD.decode_slice(text, &mut hash.0).map_err(|_| NoHash)?;
        if length == HASH_LEN { Ok(hash) } else { Err(NoHash) }
    }

    /// The base64 of RFC 4648 §4, 44 characters.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Its octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn of<const N: usize>(pieces: [&[u8]; N]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for piece in pieces {
            context.update(piece);
        }
        let mut hash = Self([0; HASH_LEN]);
        for (octet, made) in hash.0.iter_mut().zip(context.finish().as_ref()) {
            *octet = *made;
        }
        hash
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_spelling() {
        let text = Hash::of_nothing().to_base64();
        assert_eq!(text, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(Hash::from_base64(&text), Ok(Hash::of_nothing()));
        let others = [
            text.trim_end_matches('=').to_owned(),
            text.replace("FU=", "FV="),
            text.replace('+', "-").replace('/', "_"),
            format!("{text}\n"),
            format!("AAAA{text}"),
            text[4..].to_owned(),
            String::new(),
        ];
        for other in others {
            assert_eq!(Hash::from_base64(&other), Err(NoHash), "{other:?}");
        }
    }
}
