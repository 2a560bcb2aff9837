//! The frontier of a growing tree: the roots of its complete subtrees, which are all that appending and the
//! root need.
//!
//! Also known as the compact range from the first leaf. It has one hash for each bit that is set in the size
//! of the tree, so a log of any size is continued from at most 63 hashes.

use crate::hash::Hash;
use crate::head::{HeadFault, MAX_TREE_SIZE, TreeHead};
use crate::node::{Node, Range, SourceFault};

/// A tree that grows at its right end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Of the complete subtrees from left to right, the largest first.
    hashes: Vec<Hash>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self::new()
    }
}

impl Frontier {
    /// Of a tree without leaves.
    pub const fn new() -> Self {
        Self {
            size: 0,
            hashes: Vec::new(),
        }
    }

    /// Of a tree whose nodes are stored: `source` gives the hash of a node of the tree of `size` leaves, such
    /// as [`crate::Tiles::node`] does.
    pub fn read<E>(size: u64, source: impl FnMut(Node) -> Result<Hash, E>) -> Result<Self, SourceFault<E>> {
        if size > MAX_TREE_SIZE {
            return Err(SourceFault::OutOfTree);
        }
        let nodes = Range { start: 0, end: size }.nodes();
        let mut hashes: Vec<_> = nodes
            .map(source)
            .collect::<Result<_, _>>()
            .map_err(SourceFault::Source)?;
        hashes.reverse();
        Ok(Self { size, hashes })
    }

    /// Appends a leaf by its hash, in logarithmic time at most. `completed` is told the leaf and every node
    /// that is complete with it, from the lowest level to the highest; those of level 0, 8, 16, … are what
    /// goes into tiles. Fails when the tree has [`MAX_TREE_SIZE`] leaves, with nothing changed.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(Node, Hash)) -> Result<(), HeadFault> {
        if self.size >= MAX_TREE_SIZE {
            return Err(HeadFault::TooLarge);
        }
        let (mut node, mut hash) = (Node::leaf(self.size), leaf);
        completed(node, hash);
        // A node with an odd index has its left sibling at the end of the frontier.
        while node.index() & 1 == 1
            && let Some(left) = self.hashes.pop()
        {
            (node, hash) = (node.parent(), Hash::of_children(&left, &hash));
            completed(node, hash);
        }
        self.hashes.push(hash);
        self.size += 1;
        Ok(())
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle Tree Hash over all leaves (RFC 9162 §2.1.1).
    pub fn root(&self) -> Hash {
        let hashes = self.hashes.iter().rev().copied();
        let root = hashes.reduce(|right, left| Hash::of_children(&left, &right));
        root.unwrap_or_else(Hash::of_nothing)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.size,
            root: self.root(),
        }
    }
}

#[cfg(test)]
mod tests;
