//! A TBSCertList in pieces: what stands before the entries, the segments they are kept in, what stands after them.
//!
//! A list of a million entries is 45 MB. In pieces it is hashed, signed and written without ever being in one place.

use super::SortedEntries;
use crate::signature_algorithm::SignatureAlgorithm;

/// Unsigned pieces; the lint makes something of them that can be signed.
#[derive(Clone, Debug)]
pub struct CrlParts {
    head: Vec<u8>,
    entries: SortedEntries,
    tail: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl CrlParts {
    /// The pieces of a list that will be signed with `algorithm`.
    pub(crate) fn new(
        head: Vec<u8>,
        entries: SortedEntries,
        tail: Vec<u8>,
        algorithm: SignatureAlgorithm,
    ) -> Self {
        Self {
            head,
            entries,
            tail,
            algorithm,
        }
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The entries.
    pub fn entries(&self) -> &SortedEntries {
        &self.entries
    }

    /// The algorithm of the signature to come.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The pieces, one after the other.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let ends = [self.head.as_slice(), self.tail.as_slice()].map(std::iter::once);
        let [head, tail] = ends;
        head.chain(self.entries.pieces()).chain(tail)
    }

    /// How many octets all pieces have.
    pub fn octets(&self) -> usize {
        self.head.len() + self.entries.octets() + self.tail.len()
    }
}
