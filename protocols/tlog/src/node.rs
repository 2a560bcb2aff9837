//! Nodes of the tree: a level and an index, and what a tree of some size is made of.
//!
//! A node stands for a complete subtree; its hash never changes once its leaves are there, which is what
//! makes it worth storing. What hangs on the right edge of a tree that is no power of two is put together
//! from nodes when asked for.

use crate::hash::Hash;
use crate::head::{HeadFault, MAX_TREE_SIZE};

/// The complete subtree over the leaves `index << level` to `(index + 1) << level`, that one excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    level: u8,
    index: u64,
}

impl Node {
    /// A node within a tree of [`MAX_TREE_SIZE`]; level 0 are the leaves.
    pub fn new(level: u8, index: u64) -> Result<Self, HeadFault> {
        let nodes = MAX_TREE_SIZE.checked_shr(level.into()).unwrap_or_default();
        if index < nodes {
            Ok(Self { level, index })
        } else {
            Err(HeadFault::TooLarge)
        }
    }

    /// How many levels above the leaves.
    pub fn level(self) -> u8 {
        self.level
    }

    /// How many nodes of its level are left of it.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Whether a tree of this size has all leaves below it.
    pub fn is_in(self, size: u64) -> bool {
        self.index < size.min(MAX_TREE_SIZE) >> self.level
    }

    pub(crate) fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }

    /// The node above; this one is its right child.
    pub(crate) fn parent(self) -> Self {
        Self {
            level: self.level + 1,
            index: self.index >> 1,
        }
    }
}

/// Why nothing could be made of the nodes of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceFault<E> {
    /// The tree does not have what was asked for, or no tree is that large.
    #[error("there is no such leaf or size in the tree")]
    OutOfTree,
    /// A node of the tree could not be read.
    #[error("a node of the tree could not be read")]
    Source(#[source] E),
}

/// Leaves from `start` to `end`, as RFC 9162 §2.1 splits trees: `start` is a multiple of a power of two that
/// is not less than their number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Range {
    /// Where RFC 9162 §2.1.1 splits it: after the largest power of two smaller than its number of leaves.
    /// Nothing when it has one leaf or none.
    pub(crate) fn split(self) -> Option<(Self, Self)> {
        let last = (self.end - self.start).checked_sub(1)?;
        let middle = self.start + (1 << last.checked_ilog2()?);
        let left = Self {
            start: self.start,
            end: middle,
        };
        let right = Self {
            start: middle,
            end: self.end,
        };
        Some((left, right))
    }

    /// The nodes it is made of, from right to left, so from the lowest level to the highest.
    pub(crate) fn nodes(self) -> impl Iterator<Item = Node> {
        let length = self.end - self.start;
        let levels = (0_u8..=62).filter(move |level| length >> level & 1 == 1);
        levels.scan(self.end, |end, level| {
            *end -= 1 << level;
            Some(Node {
                level,
                index: *end >> level,
            })
        })
    }

    /// The Merkle Tree Hash over its leaves (RFC 9162 §2.1.1).
    pub(crate) fn hash<E>(self, source: &mut impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
        let mut hash = None;
        for node in self.nodes() {
            let left = source(node)?;
            hash = Some(hash.map_or(left, |right| Hash::of_children(&left, &right)));
        }
        Ok(hash.unwrap_or_else(Hash::of_nothing))
    }
}
