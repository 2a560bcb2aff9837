//! The head of a tree: its size and its root.

use crate::hash::Hash;

/// Most leaves of a tree: 2^62. No real log comes near it. It keeps all arithmetic of nodes within 64 bits,
/// and every proof within the 63 hashes that c2sp.org/tlog-witness allows.
pub const MAX_TREE_SIZE: u64 = 1 << 62;

/// A tree head (RFC 9162 §4.9): how many leaves, and the Merkle Tree Hash over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeHead {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// Why size and root are no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadFault {
    /// More leaves than [`MAX_TREE_SIZE`].
    #[error("tree has more than {MAX_TREE_SIZE} leaves")]
    TooLarge,
    /// A tree without leaves whose root is not the hash of nothing (RFC 6962 §2.1).
    #[error("tree without leaves has the root of another")]
    EmptyRoot,
}

impl TreeHead {
    /// The head of a tree without leaves.
    pub fn empty() -> Self {
        Self {
            size: 0,
            root: Hash::of_nothing(),
        }
    }

    /// A head as somebody told it; whether it is true only a proof can say.
    pub fn new(size: u64, root: Hash) -> Result<Self, HeadFault> {
        if size > MAX_TREE_SIZE {
            return Err(HeadFault::TooLarge);
        }
        if size == 0 && root != Hash::of_nothing() {
            return Err(HeadFault::EmptyRoot);
        }
        Ok(Self { size, root })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle Tree Hash over all leaves.
    pub fn root(&self) -> Hash {
        self.root
    }
}
